/** What we use of Next.js, which is nobody's dependency but the application's. */
declare module 'next/headers.js' {
  export function headers(): Promise<Headers>
}
