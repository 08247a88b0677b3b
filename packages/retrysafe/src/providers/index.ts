export { isStream, selectWatcher } from './select.ts'
export type { AnswerHead, AnswerWatcher, Verdict } from './watcher.ts'
