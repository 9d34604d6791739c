'use strict';
// Messages to and from the Python half over descriptor 3: four bytes of length, one byte of type, then UTF-8.
// Standard output and error are not used for them, so printed text can't be mistaken for a message.
const fs = require('node:fs');

const FD = 3;
const PIECE_CHARS = 256 * 1024;
const { readSync, writeSync } = fs;
const { parse, stringify } = JSON;

function write(type, text) {
  const size = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(size + 5);
  frame.writeUInt32BE(size + 1, 0);
  frame[4] = type.charCodeAt(0);
  frame.write(text, 5);
  for (let sent = 0; sent < frame.length;) sent += writeSync(FD, frame, sent);
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
