/** What `ionfleet.report.packs` encodes, decoded. */

async function inflate(text: string): Promise<Uint8Array> {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The places of set bits, lowest bit first. */
function setBits(bytes: Uint8Array, count: number): Uint32Array {
  const found: number[] = [];
  for (let place = 0; place < count; place++) {
    if (((bytes[place >> 3] ?? 0) >> (place & 7)) & 1) found.push(place);
  }
  return Uint32Array.from(found);
}

/** Decode a mask: the index (y * width + x) of every sampled pixel, ascending. */
export async function decodeMask(text: string, pixels: number): Promise<Uint32Array> {
  return setBits(await inflate(text), pixels);
}

/** Decode a sparse image: one value a pixel of the box, 0 where there is none. */
export async function decodeValues(text: string, sampled: Uint32Array, pixels: number): Promise<Float32Array> {
  const bytes = await inflate(text);
  const ranks = setBits(bytes, sampled.length);
  const start = Math.ceil(sampled.length / 8);
  const dense = new Float32Array(pixels);
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  ranks.forEach((rank, place) => {
    let word = 0;
    for (let plane = 3; plane >= 0; plane--) word = (word << 8) | (bytes[start + plane * ranks.length + place] ?? 0);
    bits[0] = word;
    dense[sampled[rank] ?? 0] = value[0] ?? 0;
  });
  return dense;
}
