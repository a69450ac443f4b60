import { describe, expect, test } from 'vitest';
import { isLoopback, listenProblem, parseListen, urlHost } from '#shared/std/listen-address.ts';

describe('listen addresses', () => {
  test.each([
    ['127.0.0.1:8081', { host: '127.0.0.1', port: 8081 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['localhost:65535', { host: 'localhost', port: 65535 }],
    ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
  ])('%s is understood', (text, expected) => {
    expect(parseListen(text)).toEqual(expected);
    expect(listenProblem(text)).toBeUndefined();
  });

  test.each([
    '',
    '8081',
    '127.0.0.1',
    ':8081',
    '::1:80',
    '[::1]',
    'a:b',
    'a:70000',
    'a:-1',
    'a:1 ',
  ])('"%s" is refused with the setting, the value and an example', (text) => {
    expect(() => parseListen(text, 'status.listen')).toThrow(`status.listen = "${text}"`);
    expect(listenProblem(text)).toMatch(/127\.0\.0\.1:8081|0 \(picks a free one\)/);
  });

  test('only what stays on this machine is loopback', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost', 'LOCALHOST'])
      expect(isLoopback(host), host).toBe(true);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'localhost.evil.example', '127.0.0.1.nip.io'])
      expect(isLoopback(host), host).toBe(false);
    expect(isLoopback('::ffff:127.0.0.1')).toBe(true);
    expect(isLoopback('::ffff:10.0.0.1')).toBe(false);
  });

  test('an address to any becomes one that a browser here can open', () => {
    expect(['0.0.0.0', '::', '::1', '10.1.1.1'].map(urlHost)).toEqual([
      '127.0.0.1',
      '[::1]',
      '[::1]',
      '10.1.1.1',
    ]);
  });
});
