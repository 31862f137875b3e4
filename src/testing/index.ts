/** For the tests of applications and of engines. @module */

export { type App, type Browser, type BrowserOptions, browser, type ScriptRequest } from './browser.ts'
export * from './engine-contract.ts'
