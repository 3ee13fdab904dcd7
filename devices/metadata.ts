// What programs keep of a device, beside what the hub itself goes by: any JSON object, changed by a merge patch.
import { isObject } from './device.ts'
import { bytesOf, type JsonObject, whyNotNested } from './merge-patch.ts'

export type Metadata = JsonObject

/** Bounds of one device's; the hub's own table of limits has this shape. */
export interface MetadataLimits {
  readonly metadataBytes: number
  readonly metadataLevels: number
}

/** The clause that says why this is no patch of metadata; undefined when it is one. What it comes to is looked at by `whyTooLarge`. */
export function whyNotPatch(patch: unknown, { metadataLevels }: MetadataLimits): string | undefined {
  if (!isObject(patch)) return 'metadata is a JSON object, or null to remove all of it'
  return whyNotNested(patch, metadataLevels, 'metadata', 'metadataLevels')
}

/** The same of what a device would have. */
export function whyTooLarge(metadata: Metadata, { metadataBytes }: MetadataLimits): string | undefined {
  const bytes = bytesOf(metadata)
  return bytes > metadataBytes ? `its metadata would have ${bytes} bytes, and may have ${metadataBytes} (limits.metadataBytes)` : undefined
}
