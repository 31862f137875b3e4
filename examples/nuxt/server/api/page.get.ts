/** What the pages show. */
export default defineEventHandler(({ context: { session } }) => ({
  user: session.userId,
  visits: session.get('visits') ?? 0,
  csrfToken: session.csrfToken(),
}))
