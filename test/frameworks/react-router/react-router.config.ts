// React Router's own check of actions would answer before us.
export default { ssr: true, allowedActionOrigins: ['**', '*'] }
