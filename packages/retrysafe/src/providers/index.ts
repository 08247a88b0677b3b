export { isStream, selectWatcher } from './select.ts'
export type { Report, Usage } from './usage.ts'
export type { AnswerHead, AnswerWatcher, Verdict } from './watcher.ts'
