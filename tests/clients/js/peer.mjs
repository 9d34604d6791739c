// A scripted peer in place of fetch: each request gets the next answer, and is kept.
export function peer(...answers) {
  const asked = [];
  const fetch = async (url, { method, headers, body, redirect, signal }) => {
    asked.push({ url, method, headers, redirect, body: typeof body === 'string' ? JSON.parse(body) : body });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    return answer instanceof Function ? answer(asked.at(-1), signal) : answer.clone();
  };
  return { fetch, asked };
}

export const json = (body, status = 200, headers = {}) => new Response(JSON.stringify(body), { status, headers });

/** A body that arrives in *pieces*, of text or bytes. */
export function inPieces(...pieces) {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece);
      controller.close();
    },
  });
}

export const sse = (...events) => new Response(inPieces(...events.map(event => `data: ${JSON.stringify(event)}\n\n`)));

export async function all(iterable) {
  const found = [];
  for await (const one of iterable) found.push(one);
  return found;
}
