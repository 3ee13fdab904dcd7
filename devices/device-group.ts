// A group: a name for a question that devices are asked by what is said of them. Who belongs to it is found when it is asked, never kept.
import { type DeviceLimits, isDeviceType, isObject, isTagName, isText } from './device.ts'

export interface DeviceGroup {
  readonly name: string
  /** As `readQuery` reads it. */
  readonly query: string
  readonly description?: string
}

/** One word of a query. */
export interface DeviceCondition {
  /** Undefined: it is about the type of the device. */
  readonly tag: string | undefined
  /** Undefined: any there is. */
  readonly value: string | undefined
  /** False: chosen is every device of which this is not so, also one that has no such tag. */
  readonly isSo: boolean
}

/** Bounds of a group; the hub's own table of limits has this shape. */
export interface DeviceGroupLimits extends DeviceLimits {
  readonly groupNameBytes: number
  readonly groupQueryBytes: number
  readonly groupConditions: number
  readonly descriptionBytes: number
}

const form = 'words as in: site=north type=pump floor!=2 owner !spare note="two words"'
const word = /\s*(!?)([A-Za-z0-9_.-]+)(?:(!?=)(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?(?=\s|$)/y

/** A group as somebody has written it, or the clause that says what is wrong. */
export function readDeviceGroup(name: string, value: unknown, limits: DeviceGroupLimits): DeviceGroup | string {
  const { groupNameBytes, descriptionBytes } = limits
  if (name.trim() !== name || name === '' || name.includes('/') || /^\.\.?$/.test(name) || !isText(name, groupNameBytes))
    return `its name is text of 1 to ${groupNameBytes} bytes without a slash, and with no blanks around it`
  if (!isObject(value)) return 'a group is a JSON object'
  const { name: said = name, query, description, ...foreign } = value
  const [stranger] = Object.keys(foreign)
  if (stranger !== undefined) return `a group has no member ${JSON.stringify(stranger.slice(0, 64))}`
  if (said !== name) return `it is called ${name}, and says another name`
  if (description !== undefined && !isText(description, descriptionBytes))
    return `its description is text of at most ${descriptionBytes} bytes (limits.descriptionBytes)`
  if (typeof query !== 'string') return `its query is ${form}`
  const conditions = readQuery(query, limits)
  return typeof conditions === 'string' ? conditions : { name, query, ...(description === undefined ? {} : { description }) }
}

/**
 * `name=value`, `name!=value`, `name` for whoever has the tag, `!name` for whoever has not; `type` is the type of the device. A value with
 * blanks stands in quotation marks. Chosen is who meets all of them; `!=` is met without the tag as well.
 */
export function readQuery(text: string, limits: DeviceGroupLimits): DeviceCondition[] | string {
  const { groupQueryBytes, groupConditions } = limits
  if (text.trim() === '' || !isText(text, groupQueryBytes)) return `its query has 1 to ${groupQueryBytes} bytes of ${form}`
  const conditions: DeviceCondition[] = []
  const all = text.trim()
  for (word.lastIndex = 0; word.lastIndex < all.length; ) {
    const at = word.lastIndex
    const [found, not, name = '', comparison, quoted, plain] = word.exec(all) ?? []
    if (found === undefined || (not === '!' && comparison !== undefined))
      return `its query has ${form}, and not ${JSON.stringify(all.slice(at, at + 64).trim())}`
    const value = comparison === undefined ? undefined : (quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '')
    const why = whyNotAsked(name, value, limits)
    if (why !== undefined) return why
    conditions.push({ tag: name === 'type' ? undefined : name, value, isSo: not === '' && comparison !== '!=' })
  }
  return conditions.length > groupConditions ? `its query has at most ${groupConditions} words (limits.groupConditions)` : conditions
}

function whyNotAsked(name: string, value: string | undefined, limits: DeviceGroupLimits): string | undefined {
  if (!isTagName(name, limits)) return `a tag is called by 1 to ${limits.tagNameBytes} letters, digits or _ . -`
  if (name === 'type' && value !== undefined && !isDeviceType(value, limits))
    return `type is no word for a type of devices: ${value.slice(0, 64)}`
  return undefined
}
