/** Every request goes to the test, which serves it by the adapter. */

function serve(request: Request): Promise<Response> {
  return (globalThis as unknown as { holdfastFlow: typeof serve }).holdfastFlow(request)
}

export {
  serve as DELETE,
  serve as GET,
  serve as HEAD,
  serve as OPTIONS,
  serve as PATCH,
  serve as POST,
  serve as PUT,
}
