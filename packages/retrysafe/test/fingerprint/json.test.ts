import { describe, expect, test } from 'vitest'
import { canonicalJson, MAX_JSON_BYTES, passingCanonicalJson } from '../../src/fingerprint/json.ts'

/** The canonical text of a document; for an invalid one `offset: reason`. */
function canonical(document: string | Uint8Array): string {
  const bytes = typeof document === 'string' ? new TextEncoder().encode(document) : document
  const answer = canonicalJson(bytes)
  if (answer.kind === 'invalid') return `${answer.offsetBytes}: ${answer.reason}`
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(answer.bytes)
}

/** ASCII as written, `\xHH` as that byte. */
function bytes(spelling: string): Uint8Array {
  const text = spelling.replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Uint8Array.from(text, character => character.charCodeAt(0))
}

describe('white space and members', () => {
  test.each([
    [' \t\r\n{ "a" :\n1 ,\t"b" : [ 1 , 2 ] } \r\n', '{"a":1,"b":[1,2]}'],
    ['[ ]', '[]'],
    ['{ }', '{}'],
    ['[[ ],{ },[{ }]]', '[[],{},[{}]]'],
    ['{"b":1,"a":2}', '{"a":2,"b":1}'],
    ['{"c":3,"a":1,"b":2}', '{"a":1,"b":2,"c":3}'],
    ['{"role":"user","content":"hi"}', '{"content":"hi","role":"user"}'],
    ['{"b":{"d":1,"c":[{"f":1,"e":2},3]},"a":{"h":1,"g":2}}', '{"a":{"g":2,"h":1},"b":{"c":[{"e":2,"f":1},3],"d":1}}'],
    ['[{"b":1,"a":2},{"a":1,"b":2},{"d":1,"c":2}]', '[{"a":2,"b":1},{"a":1,"b":2},{"c":2,"d":1}]'],
    ['{"a":{"c":1,"b":2},"d":[{"f":1,"e":2}]}', '{"a":{"b":2,"c":1},"d":[{"e":2,"f":1}]}'],
    ['{"ab":1,"a":2,"":3,"aa":4}', '{"":3,"a":2,"aa":4,"ab":1}'],
    ['{"é":1,"z":2,"Z":3,"日":4,"a":5}', '{"Z":3,"a":5,"z":2,"é":1,"日":4}'],
    ['[true,false,null]', '[true,false,null]'],
    [' true ', 'true'],
  ])('%s is %s', (document, expected) => expect(canonical(document)).toBe(expected))

  test('a name is what it decodes to', () => {
    expect(canonical('{"\\u0062":1,"a":2}')).toBe('{"a":2,"b":1}')
    expect(canonical('{"b":1,"\\u0061":2}')).toBe('{"a":2,"b":1}')
    expect(canonical('{"\\u0061":1,"a":2}')).toBe('{"a":1,"a":2}')
    expect(canonical('{"\\ud83d\\ude00":1,"\\/":2}')).toBe('{"/":2,"😀":1}')
  })

  test('members of one name are all kept, in their order', () => {
    expect(canonical('{"a":1,"a":2}')).toBe('{"a":1,"a":2}')
    expect(canonical('{"a":2,"a":1}')).toBe('{"a":2,"a":1}')
    expect(canonical('{"a":2}')).toBe('{"a":2}')
    expect(canonical('{"b":1,"a":3,"b":0,"a":1,"a":2}')).toBe('{"a":3,"a":1,"a":2,"b":1,"b":0}')
  })

  test('no name is special', () => {
    expect(canonical('{"constructor":1,"__proto__":{"x":1},"10":3,"9":4,"length":5}')).toBe(
      '{"10":3,"9":4,"__proto__":{"x":1},"constructor":1,"length":5}',
    )
    expect(canonical('{"__proto__":null}')).toBe('{"__proto__":null}')
  })

  test('many members are ordered like few, also where long beginnings are shared and names repeat', () => {
    const names = ['aaaaaaa', 'aaaaaab', 'aaaaaa', 'aaa', 'aab', 'aa', 'a', '', 'b', 'aaaab', 'aaab', 'é', 'zz', 'zzz']
    const sorted = ['', 'a', 'aa', 'aaa', 'aaaaaa', 'aaaaaaa', 'aaaaaab', 'aaaab', 'aaab', 'aab', 'b', 'zz', 'zzz', 'é']
    const shuffled = [3, 1, 2, 0].flatMap(round => names.map(name => `"${name}":${round}`))
    const expected = sorted.flatMap(name => [3, 1, 2, 0].map(round => `"${name}":${round}`))
    expect(canonical(`{${shuffled.join()}}`)).toBe(`{${expected.join()}}`)
    const same = Array.from({ length: 40 }, (_, index) => `"same name":${index}`)
    expect(canonical(`{"z":1,${same.join()}}`)).toBe(`{${same.join()},"z":1}`)
  })
})

describe('strings', () => {
  test.each([
    ['"\\u0041\\u005a"', '"AZ"'],
    ['"\\/"', '"/"'],
    ['"\\"\\\\\\b\\f\\n\\r\\t"', '"\\"\\\\\\b\\f\\n\\r\\t"'],
    ['"\\u0022\\u005c\\u0008\\u000C\\u000a\\u000D\\u0009\\u002F"', '"\\"\\\\\\b\\f\\n\\r\\t/"'],
    ['"\\u0000\\u001F\\u000b"', '"\\u0000\\u001f\\u000b"'],
    ['"\\u007f\\u0080"', '"\u007f\u0080"'],
    ['"\\u00e9\\u00E9"', '"éé"'],
    ['"\\u65e5\\uffff\\u07ff\\u0800"', '"日\uffff\u07ff\u0800"'],
    ['"\\ud83d\\ude00\\uDBFF\\uDFFF\\ud800\\udc00"', '"😀\u{10ffff}\u{10000}"'],
    ['"é日😀\u{10ffff}"', '"é日😀\u{10ffff}"'],
    [
      '"plain text, long enough for words of four bytes: é, and on"',
      '"plain text, long enough for words of four bytes: é, and on"',
    ],
  ])('%s is %s', (document, expected) => expect(canonical(document)).toBe(expected))

  test('lone surrogates stay apart, in any company', () => {
    expect(canonical('"\\uD800"')).toBe('"\\ud800"')
    expect(canonical('"\\ud801"')).toBe('"\\ud801"')
    expect(canonical('"\\udfff"')).toBe('"\\udfff"')
    expect(canonical('"\\ude00\\ud83d"')).toBe('"\\ude00\\ud83d"')
    expect(canonical('"\\ud83d\\ud83d\\ude00"')).toBe('"\\ud83d😀"')
    expect(canonical('"\\ud83d\\\\ude00"')).toBe('"\\ud83d\\\\ude00"')
    expect(canonical('"\\ud83d\\n"')).toBe('"\\ud83d\\n"')
    expect(canonical('"\\\\ud800"')).toBe('"\\\\ud800"')
  })

  test('there is no Unicode normalisation', () => {
    expect(canonical('"\\u00e9"')).toBe('"\u00e9"')
    expect(canonical('"e\\u0301"')).toBe('"e\u0301"')
  })

  test('what is special is found at every place of a word', () => {
    const specials = [
      ['"', '\\"'],
      ['\\', '\\\\'],
      ['\u0001', '\\u0001'],
      ['\u001f', '\\u001f'],
    ] as const
    for (const [special, spelling] of specials) {
      for (let before = 0; before < 9; before++) {
        const text = `"${'x'.repeat(before)}${spelling}~ !#[~ !#["`
        expect(canonical(text)).toBe(text)
        expect(canonical(text.replace(spelling, special))).toMatch(/^\d+: /)
      }
    }
  })
})

describe('numbers', () => {
  test.each([
    ['0', '0'],
    ['-0', '0'],
    ['0.0', '0'],
    ['-0.000', '0'],
    ['0e9', '0'],
    ['-0E-99999999999999999999', '0'],
    ['1', '1'],
    ['1.0', '1'],
    ['1e0', '1'],
    ['1E+0', '1'],
    ['10e-1', '1'],
    ['0.1e1', '1'],
    ['0.001e3', '1'],
    ['1000e-03', '1'],
    ['-1', '-1'],
    ['-1.50', '-1.5'],
    ['0.7', '0.7'],
    ['0.70', '0.7'],
    ['7e-1', '0.7'],
    ['120', '120'],
    ['12e1', '120'],
    ['1.25e1', '12.5'],
    ['12.5', '12.5'],
    ['1234.5678e2', '123456.78'],
    ['100000000000000000000', '100000000000000000000'],
    ['1e20', '100000000000000000000'],
    ['1e21', '1e+21'],
    ['1000000000000000000000', '1e+21'],
    ['1234567890123456789012', '1.234567890123456789012e+21'],
    ['123456789012345678901.5', '123456789012345678901.5'],
    ['0.000001', '0.000001'],
    ['1e-6', '0.000001'],
    ['0.0000001', '1e-7'],
    ['0.00000012', '1.2e-7'],
    ['12e-8', '1.2e-7'],
    ['5e-324', '5e-324'],
    ['9007199254740992', '9007199254740992'],
    ['9007199254740993', '9007199254740993'],
    ['9007199254740993.0', '9007199254740993'],
    ['0.1000000000000000055511151231257827', '0.1000000000000000055511151231257827'],
    ['1e400', '1e+400'],
    ['10e399', '1e+400'],
    ['1e401', '1e+401'],
    ['0.01e-400', '1e-402'],
    ['-12e-400', '-1.2e-399'],
  ])('%s is %s', (document, expected) => expect(canonical(document)).toBe(expected))

  test.each([
    ['1e99999999999999999999', '1e+99999999999999999999'],
    ['1e+00099999999999999999999', '1e+99999999999999999999'],
    ['10e99999999999999999999', '1e+100000000000000000000'],
    ['10e99999999999999999998', '1e+99999999999999999999'],
    ['0.1e100000000000000000000', '1e+99999999999999999999'],
    ['0.012e-99999999999999999999', '1.2e-100000000000000000001'],
    ['1200e-100000000000000000000', '1.2e-99999999999999999997'],
    ['0.1e1000000000000000', '1e+999999999999999'],
    ['1e999999999999999', '1e+999999999999999'],
    ['10e999999999999999', '1e+1000000000000000'],
    ['1e0000000000000000000000001', '10'],
    [`${'9'.repeat(30)}e${'9'.repeat(40)}`, `9.${'9'.repeat(29)}e+1${'0'.repeat(38)}28`],
  ])('an exponent of any length: %s is %s', (document, expected) => expect(canonical(document)).toBe(expected))

  test('numbers that grow get their room, in long documents too', () => {
    const long = 60_000
    expect(canonical(`[${'1e20,'.repeat(long)}"${'x'.repeat(50)}"]`)).toBe(
      `[${'100000000000000000000,'.repeat(long)}"${'x'.repeat(50)}"]`,
    )
  })
})

describe('what is not JSON', () => {
  test.each([
    ['', '0: a value was expected, the document ends here'],
    [' \n', '2: a value was expected, the document ends here'],
    ['\ufeff{}', '0: a value was expected'],
    ['\u00a01', '0: a value was expected'],
    ['\v1', '0: a value was expected'],
    ['1\f', '1: the end of the document was expected'],
    ['NaN', '0: a value was expected'],
    ['-Infinity', '1: a digit was expected'],
    ['tru', '0: a value was expected'],
    ['nul1', '0: a value was expected'],
    ['True', '0: a value was expected'],
    ['truex', '4: the end of the document was expected'],
    ['1 2', '2: the end of the document was expected'],
    ['{}]', '2: the end of the document was expected'],
    ['[1,]', '3: a value was expected'],
    ['[,1]', '1: a value was expected'],
    ['[1 2]', '3: "," or "]" was expected'],
    ['[1}', '2: "," or "]" was expected'],
    ['[1', '2: "," or "]" was expected, the document ends here'],
    ['[', '1: a value was expected, the document ends here'],
    ['{"a":1,}', '7: a member name was expected'],
    ['{,}', '1: a member name was expected'],
    ['{a:1}', '1: a member name was expected'],
    ["{'a':1}", '1: a member name was expected'],
    ['{"a" 1}', '5: ":" was expected'],
    ['{"a":}', '5: a value was expected'],
    ['{"a":1]', '6: "," or "}" was expected'],
    ['{"a"', '4: ":" was expected, the document ends here'],
    ['{', '1: a member name was expected, the document ends here'],
    ['/* */1', '0: a value was expected'],
    ['1 // one', '2: the end of the document was expected'],
    ['01', '0: a number starts with a needless zero'],
    ['-01', '1: a number starts with a needless zero'],
    ['00', '0: a number starts with a needless zero'],
    ['+1', '0: a value was expected'],
    ['.5', '0: a value was expected'],
    ['1.', '2: a digit was expected'],
    ['1.e1', '2: a digit was expected'],
    ['1e', '2: a digit was expected'],
    ['1e+', '3: a digit was expected'],
    ['1e1.5', '3: the end of the document was expected'],
    ['-', '1: a digit was expected'],
    ['--1', '1: a digit was expected'],
    ['0x10', '1: the end of the document was expected'],
    ['"', '1: the document ends inside a string'],
    ['"abcdefgh', '9: the document ends inside a string'],
    ["'a'", '0: a value was expected'],
    ['"a\u0000"', '2: a control character stands unescaped in a string'],
    ['"\n"', '1: a control character stands unescaped in a string'],
    ['"\\', '1: a string holds an escape that JSON does not have'],
    ['"\\x41"', '1: a string holds an escape that JSON does not have'],
    ['"\\U0041"', '1: a string holds an escape that JSON does not have'],
    ['"\\u004"', '1: a string holds an escape that JSON does not have'],
    ['"\\u00g0"', '1: a string holds an escape that JSON does not have'],
    ['"\\u', '1: a string holds an escape that JSON does not have'],
    ['1\u0000', '1: the end of the document was expected'],
    ['{"b":1,"a":2', '12: "," or "}" was expected, the document ends here'],
  ])('%j: %s', (document, expected) => expect(canonical(document)).toBe(expected))

  test.each([
    ['"\\x80"', 'a continuation byte first'],
    ['"\\xc0\\x80"', 'overlong, two bytes'],
    ['"\\xc1\\xbf"', 'overlong, two bytes'],
    ['"\\xe0\\x9f\\xbf"', 'overlong, three bytes'],
    ['"\\xf0\\x8f\\xbf\\xbf"', 'overlong, four bytes'],
    ['"\\xed\\xa0\\x80"', 'a surrogate'],
    ['"\\xed\\xbf\\xbf"', 'a surrogate'],
    ['"\\xf4\\x90\\x80\\x80"', 'past U+10FFFF'],
    ['"\\xf5\\x80\\x80\\x80"', 'past U+10FFFF'],
    ['"\\xff"', 'no UTF-8 byte'],
    ['"\\xc3"', 'cut by the quote'],
    ['"\\xc3', 'cut by the end'],
    ['"\\xe6\\x97"', 'cut by the quote'],
    ['"\\xe6\\x97', 'cut by the end'],
    ['"\\xf0\\x9f\\x98"', 'cut by the quote'],
    ['"\\xf0\\x9f\\x98', 'cut by the end'],
    ['"\\xc3\\xc3\\xa9"', 'cut by another character'],
  ])('not UTF-8: %s (%s)', spelling => {
    expect(canonical(bytes(spelling))).toBe('1: a string is not valid UTF-8')
  })

  test('the outermost characters of UTF-8 are fine', () => {
    expect(canonical(bytes('"\\xc2\\x80\\xdf\\xbf\\xe0\\xa0\\x80\\xed\\x9f\\xbf\\xee\\x80\\x80"'))).toBe(
      '"\u0080\u07ff\u0800\ud7ff\ue000"',
    )
    expect(canonical(bytes('"\\xef\\xbf\\xbf\\xf0\\x90\\x80\\x80\\xf4\\x8f\\xbf\\xbf"'))).toBe(
      '"\uffff\u{10000}\u{10ffff}"',
    )
  })

  test('other bytes outside of strings, and other encodings', () => {
    expect(canonical(bytes('\\xef\\xbb\\xbf{}'))).toBe('0: a value was expected')
    expect(canonical(bytes('[1\\xff]'))).toBe('2: "," or "]" was expected')
    expect(canonical(bytes('\\xff\\xfe1\\x00'))).toBe('0: a value was expected')
  })
})

describe('bounds', () => {
  test('a document may nest as deep as it is long', () => {
    const depth = 2_000_000
    const arrays = '['.repeat(depth) + ']'.repeat(depth)
    expect(canonical(arrays) === arrays).toBe(true)
    expect(canonical('['.repeat(depth))).toBe('2000000: a value was expected, the document ends here')
    expect(canonical(`${'['.repeat(depth)}1}`)).toBe('2000001: "," or "]" was expected')
  })

  test('members out of order at every level are moved once, not once per level', () => {
    const depth = 300_000
    const document = `${'{"b":'.repeat(depth)}0${',"a":0}'.repeat(depth)}`
    expect(canonical(document) === `${'{"a":0,"b":'.repeat(depth)}0${'}'.repeat(depth)}`).toBe(true)
  })

  test('digits take linear time', () => {
    const digits = 3_000_000
    expect(canonical(`1e${'9'.repeat(digits)}`) === `1e+${'9'.repeat(digits)}`).toBe(true)
    expect(canonical(`10e${'9'.repeat(digits)}`) === `1e+1${'0'.repeat(digits)}`).toBe(true)
    expect(canonical(`0.${'0'.repeat(digits)}1`)).toBe('1e-3000001')
    expect(canonical(`1${'0'.repeat(digits)}e-3000000`)).toBe('1')
    expect(canonical('7'.repeat(digits)) === `7.${'7'.repeat(digits - 1)}e+2999999`).toBe(true)
  })

  test('300,000 names in reverse order', () => {
    const member = (index: number) => `"${1_000_000 + index}":0`
    const members = Array.from({ length: 300_000 }, (_, index) => member(index))
    const expected = `{${members.join()}}`
    expect(canonical(`{${members.reverse().join()}}`) === expected).toBe(true)
  })

  test('the longest document is named', () => {
    expect(MAX_JSON_BYTES).toBe(268_435_456)
    expect(canonical(new Uint8Array(268_435_457))).toBe(
      '268435456: the document is too long: 268435457 bytes > 268435456 (MAX_JSON_BYTES)',
    )
  })
})

describe('the bytes', () => {
  test('belong to the caller, whatever is canonicalised next, and the input is left alone', () => {
    const input = new TextEncoder().encode('{"b":1,"a":[1.0]}')
    const first = canonicalJson(input)
    const second = canonicalJson(new TextEncoder().encode('["something else, and longer"]'))
    expect(first.kind === 'canonical' && new TextDecoder().decode(first.bytes)).toBe('{"a":[1],"b":1}')
    expect(second.kind === 'canonical' && second.bytes.buffer.byteLength).toBe(30)
    expect(new TextDecoder().decode(input)).toBe('{"b":1,"a":[1.0]}')
  })

  test('an invalid document leaves nothing behind', () => {
    expect(canonical('[{"b":1,"a":2},{"d":1,"c":')).toBe('26: a value was expected, the document ends here')
    expect(canonical('{"y":1,"x":2}')).toBe('{"x":2,"y":1}')
  })

  test('a view into a larger buffer is read within its limits', () => {
    const larger = new TextEncoder().encode(`${'x'.repeat(50)}{"b":"more than one word","a":2}yy`)
    expect(canonical(larger.subarray(50, 82))).toBe('{"a":2,"b":"more than one word"}')
  })
})

describe('documents that pass by', () => {
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
  function passing(document: string): Uint8Array {
    const answer = passingCanonicalJson(new TextEncoder().encode(document))
    if (answer.kind === 'invalid') throw new Error(answer.reason)
    return answer.bytes
  }
  const long = 'x'.repeat(100_000)

  test.each([
    ['in order', `{"a":1,"b":"${long}"}`],
    ['out of order', `{"b":"${long}","a":1}`],
    ['longer than what is shared, out of order', `{"b":"${long.repeat(11)}","a":1}`],
  ])('are read as all others are: %s', (_, document) => {
    expect(text(passing(document)) === canonical(document)).toBe(true)
  })

  test.each([
    ['in order', `{"a":1,"b":"${long}"}`],
    ['out of order', `{"b":"${long}","a":1}`],
  ])('are written into one room: %s', (_, document) => {
    const rooms = [document, document, document].map(each => passing(each).buffer)
    expect(new Set(rooms).size).toBe(1)
  })

  test('what is to be kept is out of their reach', () => {
    const kept = ['{"a":1,"b":"kept"}', '{"b":"kept","a":1}'].map(document =>
      canonicalJson(new TextEncoder().encode(document)),
    )
    passing('{"a":2,"b":"gone"}')
    passing('{"b":"gone","a":2}')
    expect(kept.map(answer => answer.kind === 'canonical' && text(answer.bytes))).toEqual([
      '{"a":1,"b":"kept"}',
      '{"a":1,"b":"kept"}',
    ])
  })
})
