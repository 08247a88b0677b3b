/** @returns the value, or `undefined` when the text is no JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An `error` member that SDKs raise on. Answers of success may carry `"error": null` (OpenAI Responses). */
export function saysError(value: unknown): boolean {
  return isObject(value) && Boolean(value['error'])
}
