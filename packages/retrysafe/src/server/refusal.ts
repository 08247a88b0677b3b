export { type OptionNames, outcomeUnknown, problemOf } from '../engine/refusal.ts'
