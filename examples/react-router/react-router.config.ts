import type { Config } from '@react-router/dev/config'

export default {
  ssr: true,
  // Holdfast judges where a request comes from; React Router's own check answers 400 before any middleware.
  allowedActionOrigins: ['**'],
} satisfies Config
