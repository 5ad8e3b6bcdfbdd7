// The simulated phones: draws what the server tells, the phone that got something last first.
// Everything that comes from a message is set as text, never as markup.

const PHONES_MAX = 300;

// Lines of text that a phone shows at once; what is older folds away.
const LINES_MAX = 16;

// Between two tries to connect where the browser makes none.
const RETRY_MS = 5000;

// The country code that a number begins with: one, two or three digits.
const COUNTRY = /^(?:[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})/;

const words = document.body.dataset;
const phones = document.getElementById("phones");
const send = document.getElementById("send");
const empty = document.getElementById("empty");
const link = document.getElementById("link");
const clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "medium" });
const cards = new Map();

function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// In readable groups. The gaps between them are drawn, so that what is copied has none.
function number(phone) {
  const country = phone.match(COUNTRY)?.[0] ?? "";
  const groups = phone.slice(country.length).match(/\d{3}(?=\d\d)|\d+/g) ?? [];
  const heading = element("h2");
  heading.append(...["+" + country, ...groups].map((group) => element("span", "", group)));
  return heading;
}

function bubble(sms) {
  const pending = sms.arrived < sms.parts;
  const item = element("li", sms.own ? "sms own" : "sms");
  item.classList.toggle("flash", sms.flash);
  item.classList.toggle("pending", pending);

  const head = element("header");
  const from = element("b", "", sms.own ? "→ " + sms.from : sms.from);
  from.dir = "auto";
  head.append(from);
  if (sms.flash) head.append(element("span", "badge", words.flash));
  const time = element("time", "", clock.format(new Date(sms.at)));
  time.dateTime = sms.at;
  head.append(time);

  const text = element("p", "", sms.text || words.emptyText);
  text.dir = "auto";
  item.append(head, text);
  if (sms.parts > 1) {
    const count = pending ? words.pending : words.joined;
    item.append(element("footer", "", count.replace("%a", sms.arrived).replace("%n", sms.parts)));
  }
  return item;
}

// About how many lines a bubble takes, with what is around its text.
function lines({ text, parts }) {
  const rows = text.split("\n").map((row) => 1 + Math.floor(row.length / 34));
  return rows.reduce((sum, n) => sum + n, parts > 1 ? 3 : 2);
}

// How many messages fold away: the last ones stay, as many as fit, and always the very last.
function older(messages) {
  let n = messages.length;
  for (let room = LINES_MAX; n > 0; n--) {
    room -= lines(messages[n - 1]);
    if (room < 0 && n < messages.length) break;
  }
  return n;
}

function handset(phone) {
  const card = element("section", "phone");
  card.dataset.phone = phone;
  const status = element("div", "status");
  status.append(number(phone), element("span", "mark", words.mark));
  const fold = element("details");
  // They have been told already.
  fold.ariaLive = "off";
  fold.append(element("summary"), element("ol"));
  card.append(status, fold, element("ol", "recent"), answer(phone));
  return card;
}

// Writes back to the number that wrote last.
function answer(phone) {
  const form = element("form", "reply");
  const text = element("input");
  text.maxLength = 1000;
  text.required = true;
  text.placeholder = text.ariaLabel = words.reply;
  const send = element("button", "", words.replySend);
  const note = element("p", "note");
  note.role = "status";
  form.append(text, send, note);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    const body = JSON.stringify({ phone, to: form.dataset.to, text: text.value });
    const headers = { "content-type": "application/json" };
    const answered = await fetch("/sandbox/replies", { method: "POST", headers, body }).catch(() => null);
    note.textContent = answered?.ok ? "" : words.replyFailed;
    if (answered?.ok) text.value = "";
    send.disabled = false;
  });
  return form;
}

// A name takes no answer, as on a real phone.
function answerable(form, messages) {
  const last = messages.findLast((sms) => !sms.own)?.from ?? messages.at(-1)?.from ?? "";
  const never = !/^\d{1,15}$/.test(last);
  form.dataset.to = last;
  form.firstChild.disabled = form.children[1].disabled = never;
  if (never) form.lastChild.textContent = words.replyNever;
  else if (form.lastChild.textContent === words.replyNever) form.lastChild.textContent = "";
}

function show({ phone, messages }) {
  invite(false);
  const card = cards.get(phone) ?? handset(phone);
  cards.set(phone, card);
  const bubbles = messages.map(bubble);
  const folded = bubbles.splice(0, older(messages));
  const fold = card.querySelector("details");
  fold.hidden = folded.length === 0;
  fold.firstChild.textContent = words.older.replace("%n", folded.length);
  fold.lastChild.replaceChildren(...folded);
  card.querySelector("ol.recent").replaceChildren(...bubbles);
  answerable(card.querySelector("form"), messages);
  if (phones.firstChild !== card) {
    const focused = card.contains(document.activeElement) ? document.activeElement : null;
    phones.prepend(card);
    focused?.focus({ preventScroll: true });
  }
  while (phones.childElementCount > PHONES_MAX) {
    cards.delete(phones.lastElementChild.dataset.phone);
    phones.lastElementChild.remove();
  }
}

// How to send stands open while there is nothing to see, unless the reader has chosen.
let chosen = false;
send.firstElementChild.addEventListener("click", () => { chosen = true; });
document.getElementById("origin").textContent = location.origin;

function invite(nothing) {
  empty.hidden = !nothing;
  if (!chosen) send.open = nothing;
}

function linked(state) {
  link.textContent = words[state];
  link.dataset.state = state;
}

function connect() {
  const source = new EventSource("/sandbox/events");
  source.addEventListener("open", () => linked("live"));
  source.addEventListener("error", () => {
    linked("lost");
    // A refusal ends it for good: too many pages watch, or the server is just starting.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  });
  // Sent first on every connection: what follows is the whole state again.
  source.addEventListener("begin", () => {
    cards.clear();
    phones.replaceChildren();
    invite(true);
  });
  source.addEventListener("phone", (event) => show(JSON.parse(event.data)));
}

connect();
