/**
 * A java.util.regex pattern, as MirrorMaker 2's filters take them, as a JavaScript one that matches
 * the same names. What JavaScript has not, or means differently, is refused: a filter that silently
 * takes other topics than it took before is worse than one that has to be written anew.
 */
export class JavaRegexError extends Error {
  override name = 'JavaRegexError';
}

/**
 * Matches only whole names (Java's `matches()`), which hold no line ends. Throws a JavaRegexError.
 */
export function javaRegex(pattern: string): RegExp {
  const source = new Translation(pattern).source();
  try {
    // By itself first: `a)(b` would be fine within the group of the next line.
    new RegExp(source, 'u');
    return new RegExp(`^(?:${source})$`, 'u');
  } catch (cause) {
    throw new JavaRegexError(plainReason(cause as SyntaxError), { cause });
  }
}

/** "Invalid regular expression: /…/u: Nothing to repeat" says the pattern that nobody wrote. */
const plainReason = (error: SyntaxError): string => {
  const reason = error.message.split(': ').at(-1)!.toLowerCase();
  return reason === 'nothing to repeat'
    ? 'has nothing to repeat before "*", "+" or "?" (any characters are ".*", not "*")'
    : `is no regular expression: ${reason}`;
};

/** The same in both after "\", in a class or outside. */
const sameEscapes = new Set([...'dDwWtnrf']);
const whiteSpace = '\\t\\n\\x0b\\f\\r ';

/** Of a class: one character, or a set of them that cannot end a range. */
interface Member {
  text: string;
  set: boolean;
}

class Translation {
  private readonly pattern: string;
  private position = 0;

  constructor(pattern: string) {
    this.pattern = pattern;
  }

  source(): string {
    let source = '';
    while (this.position < this.pattern.length) source += this.next();
    return source;
  }

  private next(): string {
    const char = this.take();
    if (char === '\\') return this.escape();
    if (char === '[') return this.characterClass();
    if (char === '(') return this.group();
    if (char === ']' || char === '}') return `\\${char}`;
    if (char === '*' || char === '+' || char === '?') return this.quantifier(char);
    if (char === '{') return this.quantifier(this.counted());
    return char;
  }

  private take(): string {
    if (this.position >= this.pattern.length) throw new JavaRegexError('ends too early');
    const char = String.fromCodePoint(this.pattern.codePointAt(this.position)!);
    this.position += char.length;
    return char;
  }

  private ahead(text: string): boolean {
    return this.pattern.startsWith(text, this.position);
  }

  private counted(): string {
    const [counted] = /^\d+(,\d*)?\}/.exec(this.pattern.slice(this.position)) ?? [];
    if (!counted) throw new JavaRegexError('has a "{" that counts nothing; the character is "\\{"');
    this.position += counted.length;
    return `{${counted}`;
  }

  private quantifier(quantifier: string): string {
    if (this.ahead('+')) this.refuse(`${quantifier}+`, 'a possessive quantifier');
    if (!this.ahead('?')) return quantifier;
    this.position += 1;
    return `${quantifier}?`;
  }

  private group(): string {
    if (!this.ahead('?')) return '(';
    const kind = /^\?(?:[:=!]|<[=!]|<[A-Za-z][A-Za-z0-9]*>)/.exec(
      this.pattern.slice(this.position),
    );
    if (!kind) {
      const shown = `(${this.pattern.slice(this.position, this.position + 3)}`;
      if (this.ahead('?>')) this.refuse(shown, 'an atomic group');
      this.refuse(shown, 'a flag; for either case write [Aa]');
    }
    this.position += kind![0].length;
    return `(${kind![0]}`;
  }

  /** Behind a "\" outside of a class. */
  private escape(): string {
    if (this.ahead('Q')) return this.quoted();
    const next = this.pattern[this.position];
    if (next === 's' || next === 'S') {
      this.position += 1;
      return next === 's' ? `[${whiteSpace}]` : `[^${whiteSpace}]`;
    }
    if (next === 'A' || next === 'z') {
      this.position += 1;
      return next === 'A' ? '^' : '$';
    }
    return this.character(literal).text;
  }

  /** `\Q…\E`: itself. */
  private quoted(): string {
    const end = this.pattern.indexOf('\\E', this.position);
    if (end < 0) throw new JavaRegexError('has a "\\Q" without "\\E"');
    const text = this.pattern.slice(this.position + 1, end);
    this.position = end + 2;
    return [...text].map(literal).join('');
  }

  /** Behind a "\": one character, or a set of them, that both languages know. */
  private character(itself: (char: string) => string): Member {
    const char = this.take();
    if (sameEscapes.has(char)) return { text: `\\${char}`, set: 'dDwW'.includes(char) };
    const [hex] = /^(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})/.exec(
      char + this.pattern.slice(this.position),
    ) ?? [undefined];
    if (hex) {
      this.position += hex.length - 1;
      return { text: `\\${hex}`, set: false };
    }
    if (/[A-Za-z0-9]/.test(char)) this.refuse(`\\${char}`, 'this escape');
    return { text: itself(char), set: false };
  }

  private characterClass(): string {
    let source = '[';
    if (this.ahead('^')) source += this.take();
    if (this.ahead(']')) {
      throw new JavaRegexError('has a class that begins with "]"; the character is "\\]"');
    }
    let before: 'char' | 'range' | 'set' | 'none' = 'none';
    for (;;) {
      if (this.position >= this.pattern.length) throw new JavaRegexError('has a "[" without "]"');
      if (this.ahead('&&')) this.refuse('&&', 'an intersection of classes');
      const char = this.take();
      if (char === ']') return `${source}]`;
      if (char === '[') this.refuse('[…[', 'a class within a class; the character is "\\["');
      const isRange = char === '-' && before === 'char' && !this.ahead(']') && !this.ahead('[');
      if (isRange) {
        source += `-${this.rangeEnd()}`;
        before = 'range';
        continue;
      }
      const { text, set } = this.member(char);
      source += text;
      before = set ? 'set' : 'char';
    }
  }

  private rangeEnd(): string {
    const { text, set } = this.member(this.take());
    if (set) throw new JavaRegexError('has a range in a class that ends with a set');
    return text;
  }

  private member(char: string): Member {
    if (char !== '\\') return { text: classLiteral(char), set: false };
    if (this.ahead('s')) {
      this.position += 1;
      return { text: whiteSpace, set: true };
    }
    if (this.ahead('Q')) this.refuse('[\\Q', 'quoting within a class');
    return this.character(classLiteral);
  }

  private refuse(what: string, name: string): never {
    throw new JavaRegexError(
      `has "${what}" (${name}), which Java and JavaScript do not share; write it otherwise`,
    );
  }
}

const literal = (char: string): string => char.replace(/[\^$\\.*+?()[\]{}|/]/, '\\$&');
const classLiteral = (char: string): string => (char === '-' ? '\\-' : literal(char));
