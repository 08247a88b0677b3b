import { types } from 'node:util'

/** What `{}` makes, or `Object.create(null)`; of another realm too: a `vm` context, a test runner's. */
export function isPlainObject(value: object): boolean {
  if (types.isProxy(value) || types.isArgumentsObject(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === null || prototype === Object.prototype) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf')
}
