/** A key prepared for HMAC-SHA-256; what it holds is the runtime's own business. */
export interface MacKey {
  readonly inner: Uint8Array
  readonly outer: Uint8Array
}
