// An agent whose process may die in any step: started again, it goes on where it was, and pays once for each step.
import OpenAI from 'openai'
import { sdkOptions } from 'retrysafe/client'

export interface Task {
  /** The same whenever it is started again. */
  readonly id: string
  readonly goals: readonly string[]
}

/** Where models and tools are: a gateway, so that every answer is recorded, also when nobody is there to take it. */
export interface Place {
  readonly url: string
  readonly apiKey: string
}

type Message = OpenAI.ChatCompletionMessageParam

const tools: OpenAI.ChatCompletionTool[] = [
  { type: 'function', function: { name: 'book', description: 'Books a flight or a hotel; it is paid at once.' } },
]
const mostSteps = 50

/**
 * Works on the goals, one after the other.
 *
 * @returns what the model said at the end of each
 * @throws {Error} after 50 steps
 */
export async function runLoop({ id, goals }: Task, { url, apiKey }: Place): Promise<string[]> {
  const options = sdkOptions({ honoursKeys: [url] })
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey, ...options })
  let steps = 0
  // Loop and number name a step. Every life of the process takes the same steps: it gets the same answers.
  const nextStep = (): Record<string, string> => {
    steps += 1
    if (steps > mostSteps) throw new Error(`${id} is not done after ${mostSteps} steps`)
    return { 'Idempotency-Key': `${id}-step-${steps}` }
  }

  async function callTool({ name, arguments: body }: { name: string; arguments: string }): Promise<string> {
    const headers = { ...nextStep(), 'Content-Type': 'application/json', Authorization: `Bearer ${apiKey}` }
    const answer = await options.fetch(`${url}/effects/${name}`, { method: 'POST', headers, body })
    if (!answer.ok) throw new Error(`${name} failed: ${answer.status}`)
    return answer.text()
  }

  const messages: Message[] = []
  const said: string[] = []
  for (const goal of goals) {
    messages.push({ role: 'user', content: goal })
    for (let isDone = false; !isDone; ) {
      const request = { model: 'gpt-4o-mini', messages, tools }
      const { choices } = await openai.chat.completions.create(request, { headers: nextStep() })
      const message = choices[0]?.message
      if (message === undefined) throw new Error('the model said nothing')
      messages.push(message)
      for (const call of message.tool_calls ?? []) {
        if (call.type !== 'function') throw new Error(`no tool of this kind: ${call.type}`)
        messages.push({ role: 'tool', tool_call_id: call.id, content: await callTool(call.function) })
      }
      isDone = (message.tool_calls ?? []).length === 0
      if (isDone) said.push(message.content ?? '')
    }
  }
  return said
}
