// An SMSC on node-smpp, a library that nobody here wrote: answers, sends receipts, and prints
// what it got as JSON lines. Ends when its standard input does.
'use strict';

const smpp = require('smpp');

const REFUSED = '34600099911'; // answered ESME_RINVDSTADR
const THROTTLED = '34600099958'; // answered ESME_RTHROTTLED
let nextId = 1000000001;

function print(line) {
  process.stdout.write(JSON.stringify(line) + '\n');
}

function statusOf(recipient) {
  if (recipient === REFUSED) return smpp.ESME_RINVDSTADR;
  if (recipient === THROTTLED) return smpp.ESME_RTHROTTLED;
  return smpp.ESME_ROK;
}

function submitted(session, pdu) {
  const status = statusOf(pdu.destination_addr);
  if (status !== smpp.ESME_ROK) {
    session.send(pdu.response({ command_status: status }));
    return;
  }
  const id = String(nextId++);
  const body = pdu.short_message.message.length ? pdu.short_message : pdu.message_payload;
  print({
    event: 'submit',
    id,
    from: pdu.source_addr,
    to: pdu.destination_addr,
    text: body.message.toString(),
    udh: Buffer.concat((body.udh || []).map((element) => Buffer.from(element))).toString('hex'),
    data_coding: pdu.data_coding,
    sar: [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum],
    registered_delivery: pdu.registered_delivery,
  });
  session.send(pdu.response({ message_id: id }));
  if (!pdu.registered_delivery) return;
  const text = `id:${id} sub:001 dlvrd:001 submit date:2603011420 done date:2603011421 stat:DELIVRD err:000 text:`;
  session.deliver_sm(
    {
      source_addr: pdu.destination_addr,
      destination_addr: pdu.source_addr,
      esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
      short_message: { message: text },
      receipted_message_id: id,
      message_state: smpp.MESSAGE_STATE.DELIVERED,
    },
    (response) => print({ event: 'delivered', status: response.command_status }),
  );
}

const server = smpp.createServer((session) => {
  for (const kind of ['transceiver', 'transmitter', 'receiver']) {
    session.on(`bind_${kind}`, (pdu) => {
      print({ event: 'bind', kind, system_id: pdu.system_id, password: pdu.password });
      session.send(pdu.response({ system_id: 'node-smpp' }));
    });
  }
  session.on('submit_sm', (pdu) => submitted(session, pdu));
  session.on('enquire_link', (pdu) => {
    print({ event: 'enquire_link' });
    session.send(pdu.response());
  });
  session.on('unbind', (pdu) => {
    print({ event: 'unbind' });
    session.send(pdu.response());
    session.close();
  });
  session.on('error', (error) => print({ event: 'error', text: String(error) }));
});

server.listen(0, '127.0.0.1', () => print({ event: 'listening', port: server.address().port }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
