'use strict';
// Runs one example of the guide as it stands, and prints what it got as JSON: run.cjs EXAMPLE.js
// Ours are the address (the guide's is localhost:8080, or left out) and the token.
const fs = require('node:fs');
const net = require('node:net');

const port = Number(process.env.GATEWAY_PORT);
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...values) {
  const options = (Array.isArray(values[0]) ? values[0][0] : values[0]) ?? {};
  if (String(options.port) === '8080') Object.assign(options, { port, host: '127.0.0.1' });
  return connect.apply(this, values);
};

const axios = (globalThis.axios = require('axios')); // the guide's first example names it for all that follow
const token = process.env.SUPABASE_KEY;
axios.defaults.baseURL = 'http://localhost:8080';
axios.defaults.headers.common.Authorization = `Bearer ${token}`;

const source = fs.readFileSync(process.argv[2], 'utf8');
const AsyncFunction = (async () => {}).constructor;
const example = new AsyncFunction('require', 'token', 'console', `${source}\n;return typeof data === 'undefined' ? null : data;`);
const quiet = { ...console, log() {} };
const isScript = source.includes('testCodeInterpreter()');
example(require, token, isScript ? console : quiet).then((data) => {
  if (!isScript) console.log(JSON.stringify(data));
});
