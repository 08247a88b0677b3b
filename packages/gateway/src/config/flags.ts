import { isIP } from 'node:net'
import type { CrashPolicy } from 'retrysafe/internal/engine/record'
import { readPriceFile } from '../ledger/prices.ts'
import { readCertificates } from './certificates.ts'
import type { KeylessMode, KeyReuse, SettableMember, StoreErrorPolicy } from './config.ts'
import type { Flag } from './flag.ts'
import {
  clientHeader,
  countBetween,
  durationBetween,
  keyHeader,
  method,
  onDisconnect,
  oneOf,
  onOrOff,
  port,
  secret,
  sizeBetween,
  statusRange,
  tenant,
  text,
} from './readers.ts'
import { combineUpstreams, readUpstream } from './upstreams.ts'

/** Every flag of `retrysafe serve`, by the member of the configuration that it sets. */
export const serveFlags: { readonly [Member in SettableMember]: Flag } = {
  host: { flag: '--host <host>', help: 'address of the proxy listener', read: text, fallback: '127.0.0.1' },
  port: { flag: '--port <port>', help: 'port of the proxy listener; 0 picks one', read: port, fallback: '8787' },
  upstreams: {
    flag: '--upstream <url>',
    help: 'where requests go: URL serves every path, NAME=URL serves /NAME/...; repeatable; without a bare URL also /openai /anthropic /gemini /ollama',
    read: readUpstream,
    combine: combineUpstreams,
    repeatable: true,
    mayHoldSecret: true,
  },
  upstreamCertificates: {
    flag: '--upstream-ca <file>',
    help: 'PEM certificates to trust upstream beside the usual ones; repeatable',
    read: readCertificates,
    combine: (lists: readonly (readonly string[])[]) => lists.flat(),
    repeatable: true,
    isPath: true,
  },
  store: {
    flag: '--store <url>',
    help: 'where outcomes are kept: lmdb:FOLDER (durable, for the processes of one machine), postgres://USER:PASSWORD@HOST:PORT/DATABASE (for any number of machines; see migrate and doctor) or memory:',
    read: text,
    fallback: 'lmdb:./retrysafe-data',
  },
  tenant: {
    flag: '--tenant <mode>',
    help: 'whose key it is: credential, header:NAME (set by your proxy) or none',
    read: tenant,
    fallback: 'credential',
  },
  scopeSecret: {
    flag: '--scope-secret <secret>',
    help: 'keys the HMACs, at least 16 characters; default: made once, kept in the store',
    read: secret,
    secret: true,
  },
  keyHeaders: {
    flag: '--key-header <name>',
    help: 'header that carries the key; repeatable, the first one present counts',
    read: keyHeader,
    fallback: 'Idempotency-Key',
    repeatable: true,
  },
  methods: {
    flag: '--methods <method>',
    help: 'methods whose keys count; repeatable',
    read: method,
    combine: (methods: readonly string[]) => new Set(methods),
    fallback: 'POST PATCH',
    repeatable: true,
  },
  recordStatus: {
    flag: '--record-status <range>',
    help: 'statuses that are recorded, such as 200-299 or 201; repeatable',
    read: statusRange,
    fallback: '200-299',
    repeatable: true,
  },
  retentionMs: {
    flag: '--retention <duration>',
    help: 'how long an outcome is kept, from its completion: 1s to 30d',
    read: durationBetween(1_000, 2_592_000_000, '1s to 30d'),
    fallback: '24h',
  },
  leaseMs: {
    flag: '--lease <duration>',
    help: 'after a crash, how long until another process may take over: 1s to 1h',
    read: durationBetween(1_000, 3_600_000, '1s to 1h'),
    fallback: '30s',
  },
  keyless: {
    flag: '--keyless <mode>',
    help: 'requests without a key: sdk-retries (untouched; the retries of OpenAI and Anthropic SDKs find the call that their client left), fingerprint (identical ones are one), pass (untouched) or require (refused)',
    read: oneOf<KeylessMode>('pass', 'require', 'fingerprint', 'sdk-retries'),
    fallback: 'sdk-retries',
  },
  fingerprintWindowMs: {
    flag: '--fingerprint-window <duration>',
    help: 'with --keyless fingerprint, how long an answer counts for identical requests, from its completion: 1s to 30d',
    read: durationBetween(1_000, 2_592_000_000, '1s to 30d'),
    fallback: '10m',
  },
  keyReuse: {
    flag: '--key-reuse <policy>',
    help: 'a used key with another payload: reject (422) or fork (another call: for agent loops that send one key with every step)',
    read: oneOf<KeyReuse>('reject', 'fork'),
    fallback: 'reject',
  },
  waitMs: {
    flag: '--wait <duration>',
    help: 'how long a running duplicate is waited for at most; 0 refuses it at once',
    read: durationBetween(0, 86_400_000, '0 to 24h'),
    fallback: '10m',
  },
  maxWaiters: {
    flag: '--max-waiters <count>',
    help: 'requests that wait for one key at once',
    read: countBetween(0, 1_000_000),
    fallback: '1000',
  },
  onDisconnect: {
    flag: '--on-disconnect <policy>',
    help: 'a call that nobody waits for any more: finish, cancel (stopped upstream at once), grace:30s (stopped if nobody has come back by then), or auto (finish with a key, cancel without one)',
    read: onDisconnect,
    fallback: 'auto',
  },
  onCrash: {
    flag: '--on-crash <policy>',
    help: 'when a run ended and nobody knows how: rerun (up to --max-attempts) or fail (424 until resolved)',
    read: oneOf<CrashPolicy>('rerun', 'fail'),
    fallback: 'rerun',
  },
  maxAttempts: {
    flag: '--max-attempts <count>',
    help: 'runs of one key whose outcome nobody knows, at most: 1 to 100',
    read: countBetween(1, 100),
    fallback: '3',
  },
  expiryAware: {
    flag: '--expiry-aware [on|off]',
    help: 'a retry that is older than the retention is refused (412) instead of run again, where its age is known: by Repeatability-First-Sent, or a UUIDv7 as its key',
    read: onOrOff,
    fallback: 'off',
  },
  onStoreError: {
    flag: '--on-store-error <policy>',
    help: 'requests with a key while the store is out of reach: closed (503) or open (passed through without protection, counted in the log)',
    read: oneOf<StoreErrorPolicy>('closed', 'open'),
    fallback: 'closed',
  },
  upstreamRetries: {
    flag: '--upstream-retries <count>',
    help: 'runs by the gateway itself after one that failed, under the same key: 0 to 10; not after one whose outcome is unknown under --on-crash fail',
    read: countBetween(0, 10),
    fallback: '0',
  },
  upstreamTimeoutMs: {
    flag: '--upstream-timeout <duration>',
    help: 'silence of the upstream (not the whole answer) that is taken for a failure: 100ms to 24h',
    read: durationBetween(100, 86_400_000, '100ms to 24h'),
    fallback: '10m',
  },
  maxRequestBytes: {
    flag: '--max-request <size>',
    help: 'body of a request with a key, at most',
    read: sizeBetween(1, 1_073_741_824, '1b to 1gb'),
    fallback: '32mb',
  },
  maxResultBytes: {
    flag: '--max-result <size>',
    help: 'body of an answer that is kept, at most; a larger one goes to its caller only',
    read: sizeBetween(1, 1_073_741_824, '1b to 1gb'),
    fallback: '64mb',
  },
  observe: {
    flag: '--observe [on|off]',
    help: 'every request passes untouched, no store is opened; duplicates that would not have been run are found and told by retrysafe stats',
    read: onOrOff,
    fallback: 'off',
  },
  prices: {
    flag: '--prices <file>',
    help: 'JSON with prices of your own, by model; they beat the shipped ones (see docs/observe.md)',
    read: readPriceFile,
    isPath: true,
  },
  clientHeaders: {
    flag: '--allow-client-header <name>',
    help: 'what clients may say for themselves: Retrysafe-Key-Reuse, Retrysafe-Bypass; repeatable; from others it is ignored',
    read: clientHeader,
    combine: (headers: readonly string[]) => new Set(headers.map(header => header.toLowerCase())),
    repeatable: true,
  },
  adminHost: { flag: '--admin-host <host>', help: 'address of the admin listener', read: text, fallback: '127.0.0.1' },
  adminPort: {
    flag: '--admin-port <port>',
    help: 'port of the admin listener; 0 picks one',
    read: port,
    fallback: '8788',
  },
  adminToken: {
    flag: '--admin-token <token>',
    help: 'asked for by the admin listener as a bearer token; needed off loopback',
    read: secret,
    secret: true,
  },
  drainMs: {
    flag: '--drain <duration>',
    help: 'after SIGTERM, how long running work may take to finish',
    read: durationBetween(0, 86_400_000, '0 to 24h'),
    fallback: '10m',
  },
}

/** `host` as it stands in a URL. */
export function urlHost(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host
}
