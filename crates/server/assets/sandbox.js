// The simulated phones: draws what the server tells, the phone that got something last first.
// Everything that comes from a message is set as text, never as markup.

const PHONES_MAX = 300;

const words = document.body.dataset;
const phones = document.getElementById("phones");
const empty = document.getElementById("empty");
const link = document.getElementById("link");
const cards = new Map();

function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function bubble(sms) {
  const pending = sms.arrived < sms.parts;
  const item = element("li", "sms");
  item.classList.toggle("flash", sms.flash);
  item.classList.toggle("pending", pending);

  const head = element("header");
  head.append(element("b", "", sms.from));
  if (sms.flash) head.append(element("span", "badge", words.flash));
  const time = element("time", "", new Date(sms.at).toLocaleTimeString(document.documentElement.lang));
  time.dateTime = sms.at;
  head.append(time);

  item.append(head, element("p", "", sms.text || words.emptyText));
  if (sms.parts > 1) {
    const count = `${sms.arrived}/${sms.parts}`;
    item.append(element("footer", "", pending ? `${count} ${words.pending}` : count));
  }
  return item;
}

function show({ phone, messages }) {
  empty.hidden = true;
  let card = cards.get(phone);
  if (!card) {
    card = element("section", "phone");
    card.dataset.phone = phone;
    card.append(element("h2", "", "+" + phone), element("ol"));
    cards.set(phone, card);
  }
  const list = card.querySelector("ol");
  list.replaceChildren(...messages.map(bubble));
  phones.prepend(card);
  list.scrollTop = list.scrollHeight;
  while (phones.childElementCount > PHONES_MAX) {
    cards.delete(phones.lastElementChild.dataset.phone);
    phones.lastElementChild.remove();
  }
}

const source = new EventSource("/sandbox/events");
source.addEventListener("open", () => { link.textContent = words.live; });
source.addEventListener("error", () => { link.textContent = words.lost; });
// Sent first on every connection: what follows is the whole state again.
source.addEventListener("begin", () => {
  cards.clear();
  phones.replaceChildren();
  empty.hidden = false;
});
source.addEventListener("phone", (event) => show(JSON.parse(event.data)));
