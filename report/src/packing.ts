/** What `ionfleet.report.packs` encodes, decoded. */

/** The bytes that a text in base64 stands for. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let place = 0; place < bytes.length; place++) bytes[place] = characters.charCodeAt(place);
  return bytes;
}

/** The bytes that were deflated and written in base64. */
export async function inflate(text: string): Promise<Uint8Array> {
  const packed = bytesOf(text);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The places of set bits, lowest bit first. */
function setBits(bytes: Uint8Array, count: number): Uint32Array {
  const found = new Uint32Array(count);
  let length = 0;
  for (let place = 0; place < count; place++) {
    if (((bytes[place >> 3] ?? 0) >> (place & 7)) & 1) found[length++] = place;
  }
  return found.slice(0, length);
}

/** Decode a mask: the index (y * width + x) of every sampled pixel, ascending. */
export async function decodeMask(text: string, pixels: number): Promise<Uint32Array> {
  return setBits(await inflate(text), pixels);
}

/** Numbers of 32 bits whose lowest bytes come first, then their second bytes and so on. */
export function plane32(bytes: Uint8Array, start: number, length: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(length);
  for (let plane = 0; plane < 4; plane++) {
    const from = start + plane * length;
    for (let place = 0; place < length; place++) words[place]! |= bytes[from + place]! << (8 * plane);
  }
  return words;
}

/** Decode a sparse image: one value a pixel of the box, 0 where there is none. */
export async function decodeValues(text: string, sampled: Uint32Array, pixels: number): Promise<Float32Array> {
  const bytes = await inflate(text);
  const ranks = setBits(bytes, sampled.length);
  const words = plane32(bytes, Math.ceil(sampled.length / 8), ranks.length);
  const values = new Float32Array(words.buffer);
  const dense = new Float32Array(pixels);
  for (let place = 0; place < ranks.length; place++) dense[sampled[ranks[place]!]!] = values[place]!;
  return dense;
}
