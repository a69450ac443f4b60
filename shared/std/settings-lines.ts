/**
 * The line of every key of a TOML document, which its parser does not tell: dotted path → line from
 * 1. Elements of arrays are `source[0].url`. Reads only documents that a parser has accepted, so it
 * knows just enough of the grammar to find keys, strings and brackets.
 */
export function keyLines(text: string): Map<string, number> {
  return new LineScan(text).scan();
}

const join = (base: string, key: string): string => (base === '' ? key : `${base}.${key}`);

class LineScan {
  readonly #text: string;
  readonly #lines = new Map<string, number>();
  /** Tables so far of each `[[array of tables]]`. */
  readonly #tables = new Map<string, number>();
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): Map<string, number> {
    let base = '';
    for (;;) {
      this.#skipSpace();
      if (this.#at >= this.#text.length) return this.#lines;
      if (this.#peek() === '[') base = this.#tableHeader();
      else this.#keyValue(base);
    }
  }

  #tableHeader(): string {
    const isArray = this.#text.startsWith('[[', this.#at);
    this.#at += isArray ? 2 : 1;
    const keys = this.#keys();
    this.#at += isArray ? 2 : 1;
    let path = '';
    for (const [index, key] of keys.entries()) {
      path = join(path, key);
      if (isArray && index === keys.length - 1) {
        this.#tables.set(path, (this.#tables.get(path) ?? 0) + 1);
      }
      const count = this.#tables.get(path);
      if (count !== undefined) path += `[${count - 1}]`;
    }
    this.#note(path);
    return path;
  }

  #keyValue(base: string): void {
    const line = this.#line;
    const keys = this.#keys();
    let path = base;
    for (const key of keys) {
      path = join(path, key);
      this.#note(path, line);
    }
    this.#at += 1; // the equals sign
    this.#value(path);
  }

  #value(path: string): void {
    this.#skipSpace();
    const char = this.#peek();
    if (char === '[') this.#elements(']', (index) => this.#element(`${path}[${index}]`));
    else if (char === '{') this.#elements('}', () => this.#keyValue(path));
    else if (char === '"' || char === "'") this.#string();
    else while (this.#at < this.#text.length && !/[,\]}#\n]/.test(this.#peek())) this.#at += 1;
  }

  #element(path: string): void {
    this.#note(path);
    this.#value(path);
  }

  #elements(end: string, each: (index: number) => void): void {
    this.#at += 1;
    for (let index = 0; ; index += 1) {
      this.#skipSpace();
      if (this.#at >= this.#text.length) return;
      if (this.#peek() !== end) each(index);
      this.#skipSpace();
      const closed = this.#peek() === end;
      this.#at += 1;
      if (closed) return;
    }
  }

  /** A key and its dotted parts, up to `=` or `]`. */
  #keys(): string[] {
    const keys: string[] = [];
    for (;;) {
      this.#skipSpace();
      const char = this.#peek();
      if (char === '"' || char === "'") keys.push(this.#string());
      else {
        const bare = /[A-Za-z0-9_-]*/y;
        bare.lastIndex = this.#at;
        const key = bare.exec(this.#text)?.[0] ?? '';
        this.#at += key.length;
        keys.push(key);
      }
      this.#skipSpace();
      if (this.#peek() !== '.') return keys;
      this.#at += 1;
    }
  }

  /** Any of the four kinds of string; escapes in keys are left as they are written. */
  #string(): string {
    const quote = this.#peek();
    const fence = this.#text.startsWith(quote.repeat(3), this.#at) ? quote.repeat(3) : quote;
    const start = this.#at + fence.length;
    let end = start;
    while (end < this.#text.length && !this.#text.startsWith(fence, end)) {
      end += quote === '"' && this.#text[end] === '\\' ? 2 : 1;
    }
    let after = end + fence.length;
    // A multi-line string may end with up to two quotes of its own.
    while (fence.length === 3 && this.#text[after] === quote) after += 1;
    const content = this.#text.slice(start, end);
    this.#line += content.split('\n').length - 1;
    this.#at = after;
    return content;
  }

  /** White space, line ends and comments. */
  #skipSpace(): void {
    for (; this.#at < this.#text.length; this.#at += 1) {
      const char = this.#peek();
      if (char === '#') {
        const end = this.#text.indexOf('\n', this.#at);
        this.#at = end < 0 ? this.#text.length : end;
        if (end < 0) return;
      } else if (!/[\s\uFEFF]/.test(char)) return;
      if (this.#peek() === '\n') this.#line += 1;
    }
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #note(path: string, line = this.#line): void {
    if (!this.#lines.has(path)) this.#lines.set(path, line);
  }
}
