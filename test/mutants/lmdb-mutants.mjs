/** Mistakes in the store on LMDB alone. */
export const lmdbMutants = [
  {
    name: 'lmdb: claim without a condition',
    about: 'a new record is written although another has been made since it was looked for',
    file: 'stores/lmdb/records.ts',
    find: 'records.ifNoExists(record, body)',
    replace: 'Promise.resolve(body()).then(() => true)',
  },
  {
    name: 'lmdb: change without a condition',
    about: 'a record is written although it is not the one that was read',
    file: 'stores/lmdb/records.ts',
    find: 'records.ifVersion(record, loaded.revision, body)',
    replace: 'Promise.resolve(body()).then(() => true)',
  },
  {
    name: 'lmdb: steps stay',
    about: 'a new record finds the steps of an older one',
    file: 'stores/lmdb/records.ts',
    find: 'if (row.steps === 0) this.#dropSteps(record, loaded)',
    replace: '',
  },
]
