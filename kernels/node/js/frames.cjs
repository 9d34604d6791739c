'use strict';
// Messages to and from the Python half over descriptor 3: four bytes of length, one byte of type, then UTF-8.
// Standard output and error are not used for them, so printed text can't be mistaken for a message.
const fs = require('node:fs');
const { internalBinding } = require('internal/test/binding'); // --expose-internals
const { writeBuffer } = internalBinding('fs');

const FD = 3;
const PIECE_CHARS = 256 * 1024;
const { readSync } = fs;
const { parse, stringify } = JSON;
let rest = { bytes: Buffer.alloc(0), sent: 0 };

function write(type, text) {
  const size = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(size + 5);
  frame.writeUInt32BE(size + 1, 0);
  frame[4] = type.charCodeAt(0);
  frame.write(text, 5);
  flush();
  rest = { bytes: frame, sent: 0 };
  flush();
}

// Write what an interrupt left of the last frame. V8 ends code between two turns of a loop and where a function begins, and
// writeSync calls one after it has written: then nobody would know how much has gone.
function flush() {
  while (rest.sent < rest.bytes.length) {
    const problem = {};
    rest.sent += writeBuffer(FD, rest.bytes, rest.sent, rest.bytes.length - rest.sent, null, undefined, problem) ?? 0;
    if (problem.code) throw new Error(`${problem.code}: ${problem.syscall}`);
  }
}

// Text of a stream ('o' or 'e'), in pieces that need little memory; characters are never split.
function writeText(type, text) {
  for (let start = 0; start < text.length;) {
    let end = start + PIECE_CHARS;
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end -= 1;
    write(type, text.slice(start, end));
    start = end;
  }
}

// Exactly *size* bytes, or null at the end of the stream. Blocks.
function readBytes(size) {
  const bytes = Buffer.allocUnsafe(size);
  for (let got = 0; got < size;) {
    try {
      const count = readSync(FD, bytes, got, size - got);
      if (count === 0) return null;
      got += count;
    } catch (error) {
      if (error.code !== 'EINTR') throw error; // an interrupt for a run that had already ended
    }
  }
  return bytes;
}

// The next request, or null if the Python process is gone. Blocks.
function read() {
  const head = readBytes(4);
  const body = head && readBytes(head.readUInt32BE(0));
  return body && parse(body.toString());
}

module.exports = { read, write: (type, value) => write(type, stringify(value)), writeRaw: write, writeText };
