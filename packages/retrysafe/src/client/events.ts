/** One attempt of a call, once its outcome is known. */
export interface AttemptEvent {
  /** `call`: the call itself; `resume`: the rest of its stream. */
  readonly kind: 'call' | 'resume'
  /** The key of the call; `undefined` where its method has none. */
  readonly key: string | undefined
  readonly method: string
  /** Without its query, which may hold credentials. */
  readonly url: string
  /** 1 for the first; of a resume, since bytes last came. */
  readonly attempt: number
  readonly outcome:
    | { readonly kind: 'answered'; readonly status: number }
    /** `sent`: it may have had its effect. */
    | { readonly kind: 'failed'; readonly error: unknown; readonly sent: boolean }
  /** Nobody can say whether it ran: sent and not answered, at a host that is not known to honour keys. */
  readonly ambiguous: boolean
  /** How it goes on. */
  readonly next: NextStep
}

/** What follows an attempt. `done`: this outcome is the call's. */
export type NextStep =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'done'; readonly reason: DoneReason }

/**
 * Why there is no further attempt: it is what the caller wants to know (`final`), or another one may not be made because
 * of what an option says.
 */
export type DoneReason = 'final' | 'retries' | 'ambiguous' | 'budget' | 'deadline' | 'aborted'

export type AttemptListener = (event: AttemptEvent) => void

/** What a client has done since it was made. */
export interface FetchCounts {
  readonly calls: number
  /** All that were sent for them, resumes apart. */
  readonly attempts: number
  /** Attempts of which nobody can say whether they ran. */
  readonly ambiguous: number
  /** Requests for the rest of a broken stream. */
  readonly resumes: number
}
