/** Characters that terminals obey: C0 but for tab and line breaks, and DEL. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are looked for
const OBEYED = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;

/** C1, which some terminals obey, and what makes readers see text in another order than it is in. */
const MISLEADING = /[\u0080-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

const PICTURES = 0x2400;
const DELETE = 0x7f;
const PICTURE_OF_DELETE = '\u2421';

/**
 * Makes of bytes that anybody may have written a text which does nothing to the terminal or the page it is shown on. What would is shown:
 * ESC as its picture (U+241B) and the letters after it, as they are; what has no picture, and what is no UTF-8, as U+FFFD. It goes by
 * single characters and knows no sequences, so it makes no difference where chunks end.
 */
export class HarmlessText {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  push(chunk: Uint8Array): Buffer {
    return harmless(this.#decoder.decode(chunk, { stream: true }));
  }

  /** What was left: a character that was cut off. */
  end(): Buffer {
    return harmless(this.#decoder.decode());
  }
}

function harmless(text: string): Buffer {
  return Buffer.from(text.replace(OBEYED, pictureOf).replace(MISLEADING, '\ufffd'));
}

function pictureOf(character: string): string {
  const code = character.charCodeAt(0);
  return code === DELETE ? PICTURE_OF_DELETE : String.fromCharCode(PICTURES + code);
}
