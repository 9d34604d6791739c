// A model that says what a test has scripted (tests/contract/models), and what it was asked.
import { omega } from 'omega-client';

/** The address of a model that takes *turns*. */
export async function scripted(...turns) {
  const asked = await fetch(`${process.env.MODELS_URL}/scripts`, { method: 'POST', body: JSON.stringify({ turns }) });
  return (await asked.json()).base;
}

/** The bodies of the requests to it. */
export async function requestsTo(base) {
  const asked = await (await fetch(`${base}/requests`)).json();
  return asked.map(({ body, problem }) => {
    if (problem) throw new Error(problem);
    return body;
  });
}

export const call = (name, args) => ({ name, arguments: args });
export { omega };
