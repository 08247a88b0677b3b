import { jsonAnswer } from '../answer.ts'
import type { Endpoint } from '../endpoint.ts'
import { openaiErrors } from '../error-format.ts'

/** A plain effect, such as a charge: whatever is sent, it happens once more and says how often it has. */
export const effectEndpoint: Endpoint = {
  title: 'POST /effects/{name}',
  about: 'a plain effect, such as a charge; any body; says how often it has happened',
  path: /^\/effects\/([^/]{1,255})$/,
  errors: openaiErrors,
  work: ({ name }, next) => ({
    kind: 'ran',
    usage: { inputTokens: 0, outputTokens: 0 },
    effect: name,
    answer: jsonAnswer(200, { effect: name, run: next.run, count: next.effectCount(name) }),
  }),
}
