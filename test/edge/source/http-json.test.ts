import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JsonShapeError, jsonChildren, jsonDepth, trimJson } from '#edge/source/http-json.ts';

const parts = (json: string) =>
  [...jsonChildren(Buffer.from(json))].map(({ name, value }) => [
    name.toString(),
    value.toString(),
  ]);

test('the parts of any array and object are found again, byte for byte', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 1, '\t'), (list, indent) => {
      const json = Buffer.from(JSON.stringify(list, null, indent));
      const values = [...jsonChildren(json)].map(({ value }) => JSON.parse(value.toString()));
      expect(values).toEqual(JSON.parse(json.toString()));
    }),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
      const json = Buffer.from(JSON.stringify(object, null, 2));
      const members = [...jsonChildren(json)].map(({ name, value }) => [
        JSON.parse(name.toString()),
        JSON.parse(value.toString()),
      ]);
      expect(members).toEqual(Object.entries(JSON.parse(json.toString())));
    }),
  );
});

test('a text is JSON exactly when all its parts are: damage is never taken for a record', () => {
  const good = JSON.stringify([{ a: [1, 'x"]'] }, 'b,\\', [[], {}], -1.5e3, null]);
  const whole = (text: string) => {
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  };
  const inParts = (text: string) => {
    try {
      return parts(text).map(([, value]) => JSON.parse(value!));
    } catch {
      return undefined;
    }
  };
  for (let at = 1; at < good.length; at += 1) {
    for (const byte of '[]{}",:\\ 1') {
      for (const text of [
        good.slice(0, at) + byte + good.slice(at + 1),
        good.slice(0, at) + byte + good.slice(at),
        good.slice(0, at),
      ]) {
        expect(inParts(text), text).toEqual(whole(text));
      }
    }
  }
});

test.each(['[', '[1', '[1,[2]', '["a]', '[1]]', '[1}', '{"a":1', '{"a":1]', '["\\'])(
  '%s does not end where it should',
  (json) => {
    expect(() => parts(json)).toThrow(JsonShapeError);
  },
);

test('empty containers have no parts, white space or not', () => {
  expect([parts('[]'), parts('[ \n]'), parts('{}'), parts('{\t}')]).toEqual([[], [], [], []]);
  expect(trimJson(Buffer.from(' \r\n[1 ]\t')).toString()).toBe('[1 ]');
});

test('depth counts brackets, not those in strings', () => {
  expect(jsonDepth(Buffer.from('[{"a":["[[[\\"[["]}]'))).toBe(3);
  expect(jsonDepth(Buffer.from('1'))).toBe(0);
});
