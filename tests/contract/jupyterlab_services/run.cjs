// Drives the gateway with JupyterLab's own client; says as one line of JSON what came of it.
'use strict';

const { KernelManager, KernelSpecManager, ServerConnection } = require('@jupyterlab/services');
const { WebSocket } = require('ws');

const protocols = new Set();

class Watched extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener('open', () => protocols.add(this.protocol));
  }
}

const baseUrl = `http://127.0.0.1:${process.env.GATEWAY_PORT}/`;
const serverSettings = ServerConnection.makeSettings({
  baseUrl, wsUrl: baseUrl.replace('http', 'ws'), token: process.env.GATEWAY_TOKEN, appendToken: true, WebSocket: Watched, fetch,
});

async function execute(kernel, code, onText = () => {}) {
  const future = kernel.requestExecute({ code });
  const said = { text: '', types: [] };
  future.onIOPub = message => {
    const { msg_type: type } = message.header;
    if (type === 'stream') {
      said.text += message.content.text;
      onText();
    } else if (type !== 'status' && type !== 'execute_input') {
      said.types.push(type, ...Object.keys(message.content.data ?? {}));
    }
  };
  const reply = await future.done;
  return { ...said, status: reply.content.status, error: reply.content.ename ?? '' };
}

async function life(manager, name, code) {
  const kernel = await manager.startNew({ name });
  const said = { info: (await kernel.info).language_info.name };
  said.run = await execute(kernel, code.run);
  said.complete = (await kernel.requestComplete({ code: code.part, cursor_pos: code.part.length })).content.matches;
  let asked = false;
  said.interrupted = await execute(kernel, code.loop, () => {
    if (!asked) {
      asked = true;
      kernel.interrupt();
    }
  });
  said.kept = await execute(kernel, code.show);
  await kernel.restart();
  said.forgotten = await execute(kernel, code.show);
  await manager.refreshRunning();
  said.isListed = [...manager.running()].some(model => model.id === kernel.id);
  await kernel.shutdown();
  await manager.refreshRunning();
  said.isGone = ![...manager.running()].some(model => model.id === kernel.id);
  return said;
}

const CODE = {
  python3: {
    run: 'answer = 42\nprint("hello")\nfrom IPython.display import HTML, display\ndisplay(HTML("<b>x</b>"))\nanswer',
    part: 'answ', loop: 'print("on", flush=True)\nwhile True: pass', show: 'print(answer)',
  },
  javascript: {
    run: 'var answer = 42; console.log("hello"); display.html("<b>x</b>"); answer',
    part: 'answ', loop: 'console.log("on"); while (true) {}', show: 'console.log(answer)',
  },
};

async function main() {
  const specs = new KernelSpecManager({ serverSettings });
  await specs.ready;
  const manager = new KernelManager({ serverSettings });
  await manager.ready;
  const lives = await Promise.all(Object.entries(CODE).map(([name, code]) => life(manager, name, code)));
  return { specs: Object.keys(specs.specs.kernelspecs), default: specs.specs.default, protocols: [...protocols], lives };
}

main().then(
  said => { process.stdout.write(`${JSON.stringify(said)}\n`, () => process.exit(0)); },
  error => { console.error(error); process.exit(1); },
);
