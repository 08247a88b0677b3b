import { readFileSync } from 'node:fs'
import tls, { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'

/**
 * TLS that trusts `certificates` (PEM) beside what Node trusts; `undefined` when there are none: Node's own will do.
 *
 * @throws the system's error when one of them cannot be used
 */
export function trustAlso(certificates: readonly string[]): SecureContext | undefined {
  if (certificates.length === 0) return undefined
  return createSecureContext({ ca: [...trustedByNode(), ...certificates] })
}

/** A list of one's own takes the place of Node's, so that has to be in it: its roots, and NODE_EXTRA_CA_CERTS. */
function trustedByNode(): readonly string[] {
  // Since Node 22.15, and complete.
  const tell: unknown = Reflect.get(tls, 'getCACertificates')
  if (typeof tell === 'function') return tell('default')
  const extra = process.env['NODE_EXTRA_CA_CERTS']
  return extra === undefined ? rootCertificates : [...rootCertificates, ...extraCertificates(extra)]
}

/** Node, too, goes on without a file that it cannot read, and has said so at its start. */
function extraCertificates(path: string): readonly string[] {
  try {
    return [readFileSync(path, 'latin1')]
  } catch {
    return []
  }
}
