/** Some Workers have neither of the two: what is dropped there stays as long as what it listens to. */
const registry =
  typeof FinalizationRegistry === 'undefined' ? undefined : new FinalizationRegistry<() => void>(act => act())

/** Acts some time after nobody has the object any more. @param act must not hold it */
export function whenForgotten(object: object, act: () => void): void {
  registry?.register(object, act)
}

/** The object, for as long as anybody else has it. */
export function weakly<Held extends object>(object: Held): () => Held | undefined {
  return typeof WeakRef === 'undefined' ? () => object : deref(new WeakRef(object))
}

/** Apart: functions that are made in one place hold together what each of them names. */
function deref<Held extends object>(held: WeakRef<Held>): () => Held | undefined {
  return () => held.deref()
}
