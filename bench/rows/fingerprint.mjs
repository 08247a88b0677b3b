import { hash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { canonicalFingerprint, rawFingerprint } from 'retrysafe/internal/fingerprint/fingerprint'
import { createKeyedHash } from 'retrysafe/internal/fingerprint/keyed-hash'

const key = createKeyedHash(Buffer.alloc(32, 7))

/** A chat of so many bytes, as an SDK writes it. */
function chatOf(bytes) {
  const text = 'The quick brown fox — jumps\nover "the" lazy dog. '
  const chat = content => ({
    model: 'bench-model',
    stream: true,
    temperature: 0.7,
    messages: [
      { role: 'system', content: 'You are brief.' },
      { role: 'user', content },
    ],
  })
  const lengthOf = content => Buffer.byteLength(JSON.stringify(chat(content)))
  let content = text.repeat(Math.floor(bytes / 60))
  while (lengthOf(content) < bytes) content += 'x'
  while (lengthOf(content) > bytes) content = content.slice(0, -1)
  return Buffer.from(JSON.stringify(chat(content)))
}

function multipartOf(bytes) {
  const head =
    '--bench\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
  const end = '\r\n--bench--\r\n'
  return Buffer.concat([
    Buffer.from(head),
    Buffer.alloc(bytes - head.length - end.length, '\r\nRIFF'),
    Buffer.from(end),
  ])
}

function requestOf(body, mediaType = 'application/json', parameters = '') {
  const head = { method: 'POST', path: '/v1/chat/completions', query: '', headers: ['openai-beta: bench'] }
  return { ...head, mediaType, parameters, contentEncoding: '', body }
}

/** Microseconds a call, over so many milliseconds. */
function microsOf(call, forMs) {
  const started = performance.now()
  let calls = 0
  while (performance.now() - started < forMs) {
    for (let count = 0; count < 20; count++) call()
    calls += 20
  }
  return ((performance.now() - started) * 1_000) / calls
}

/** Ours, bare SHA-256 over the same bytes, and a peer where there is one, in turn. */
function row(name, { body, goalMicros, ours, peer }) {
  const sha256 = () => hash('sha256', body, 'base64url')
  return {
    name,
    goalMicros,
    run({ seconds, repeats }) {
      const forMs = seconds * 100
      for (const call of [ours, sha256, peer]) if (call !== undefined) microsOf(call, forMs)
      return Array.from({ length: repeats }, () => {
        const [micros, rawMicros] = [microsOf(ours, forMs), microsOf(sha256, forMs)]
        return { micros, rawMicros, peerMicros: peer && microsOf(peer, forMs), ratio: rawMicros / micros }
      })
    },
  }
}

const sizes = [
  ['1 KiB', 1_024, 6],
  ['32 KiB', 32_768, 32],
]

/** An identical replay costs one hash; the canonical form is made where the bytes differ. */
export const fingerprintRows = sizes.flatMap(([size, bytes, goalMicros]) => {
  const body = chatOf(bytes)
  const json = requestOf(body)
  const parts = multipartOf(bytes)
  const multipart = requestOf(parts, 'multipart/form-data', '; boundary=bench')
  return [
    row(`fingerprint of an identical replay, ${size}`, { body, goalMicros, ours: () => rawFingerprint(key, json) }),
    row(`canonical fingerprint of JSON, ${size}`, {
      body,
      ours: () => canonicalFingerprint(key, json),
      // What loses numbers past 2^53, and members of one name.
      peer: () => hash('sha256', canonicalize(JSON.parse(body.toString())), 'base64url'),
    }),
    row(`canonical fingerprint of multipart, ${size}`, {
      body: parts,
      ours: () => canonicalFingerprint(key, multipart),
    }),
  ]
})
