/** A user's own sessions: the page that lists them, and what tells him of a new device. @module */

export { createDevicePage, type DevicePageOptions } from './device-page.ts'
export type { DeviceList, DeviceSession } from './list.ts'
export { type RememberDevicesOptions, rememberDevices } from './remember-devices.ts'
export type { DeviceTexts } from './texts.ts'
