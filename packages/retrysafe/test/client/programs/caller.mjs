import { createRetrysafe } from 'retrysafe'
import { createFetch } from 'retrysafe/client'
import { answerParent, settings } from '../../../../../test/fault/programs/answer-parent.mjs'

/** `settings`: path (of the store's folder), url, onCrash */
const safe = createRetrysafe({ store: `lmdb:${settings.path}`, onCrash: settings.onCrash ?? 'rerun' })
const fetch = createFetch({ safe, key: request => request.headers.get('x-order'), tenant: 'single', baseDelayMs: 0 })

answerParent({
  call: async key => {
    const answer = await fetch(settings.url, { method: 'POST', body: key, headers: { 'x-order': key } })
    return [answer.status, answer.headers.get('idempotent-replayed'), await answer.text()]
  },
})
