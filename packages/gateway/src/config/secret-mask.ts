/** What stands for a secret where it is not shown. */
export const mask = '***'

/** As far as the last @: a password may hold anything. */
const password = /^([a-z][a-z0-9+.-]*:\/\/[^:/@]*):.*@/is
const passwordInQuery = /([?&][^=&]*pass[^=&]*=)[^&]+/gi

/** Whether a URL holds a password. */
export function hasPassword(url: string): boolean {
  return maskPassword(url) !== url
}

/** The URL without its password. */
export function maskPassword(url: string): string {
  return url.trim().replace(password, `$1:${mask}@`).replace(passwordInQuery, `$1${mask}`)
}
