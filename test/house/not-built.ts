/**
 * What docs/interface.md promises and nobody has built yet. This list only shrinks: the test fails for an entry that is
 * built, and for a row that is neither built nor here.
 */
export const notBuilt: { flags: readonly string[]; codes: readonly string[]; subpaths: readonly string[] } = {
  flags: [
    '--max-buffered',
    '--max-store',
    '--tenant-quota',
    '--workers',
    '--admin-bodies',
    '--encryption-key',
    '--hash-keys',
  ],
  codes: ['QUOTA_EXCEEDED', 'STEP_CHANGED'],
  subpaths: ['./consumer'],
}

/** Rows that are built in part: what is missing. */
export const builtInPart: Readonly<Record<string, string>> = {
  'Admin API': 'GET /events and /openapi.json are missing',
  CLI: 'serve, sandbox, batch, migrate, doctor and stats; the other commands are missing',
}

const hardening = 'hardening: bounds on everything, encryption at rest, several processes'

/** What brings each of those that are not built. */
export const reasons: Readonly<Record<string, string>> = {
  '--max-buffered': hardening,
  '--max-store': hardening,
  '--tenant-quota': hardening,
  '--workers': hardening,
  '--encryption-key': hardening,
  '--hash-keys': hardening,
  QUOTA_EXCEEDED: hardening,
  '--admin-bodies': 'the dashboard, which is what shows bodies',
  STEP_CHANGED: 'operations with steps',
  './consumer': 'consumers of queues and webhooks, on operations with steps',
}
