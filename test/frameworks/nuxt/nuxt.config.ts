export default defineNuxtConfig({
  compatibilityDate: '2026-11-01',
  telemetry: false,
  // Of the scenarios' application nothing is a page.
  pages: false,
})
