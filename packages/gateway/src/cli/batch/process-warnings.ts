/**
 * What Node would write to stderr by itself, in the middle of a display, is told like everything else: a store's word on
 * its server, say.
 *
 * @returns what gives warnings back to who took them before
 */
export function takeWarnings(tell: (message: string) => void): () => void {
  const usual = process.listeners('warning')
  const hear = ({ name, message }: Error): void => tell(name === 'RetrysafeWarning' ? message : `${name}: ${message}`)
  process.removeAllListeners('warning')
  process.on('warning', hear)
  return () => {
    process.off('warning', hear)
    for (const listener of usual) process.on('warning', listener)
  }
}
