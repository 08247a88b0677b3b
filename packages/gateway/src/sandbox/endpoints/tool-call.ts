import { isRecord } from '../body.ts'
import type { Message, ToolCall } from './prompt.ts'

/**
 * The call that the last message asks for, so that an agent's loop has a step to make: a user who says
 * `call weather {"city":"Rome"}`, where `weather` is one of the tools given. Without a JSON object the arguments are {}.
 * @param tools as OpenAI gives them, with a `function` inside, or as Anthropic does, without
 */
export function toolCallIn(tools: unknown, messages: readonly Message[]): ToolCall | undefined {
  const last = messages.at(-1)
  if (last?.role !== 'user' || !Array.isArray(tools)) return undefined
  const [, name = '', rest = ''] = /\bcall (\S+)\s*(.*)/s.exec(last.text) ?? []
  const names = (tools as readonly unknown[]).map(nameOf)
  return names.includes(name) ? { name, argumentsText: isJsonObject(rest) ? rest : '{}' } : undefined
}

function nameOf(tool: unknown): unknown {
  if (!isRecord(tool)) return undefined
  return isRecord(tool['function']) ? tool['function']['name'] : tool['name']
}

function isJsonObject(text: string): boolean {
  try {
    return isRecord(JSON.parse(text))
  } catch {
    return false
  }
}
