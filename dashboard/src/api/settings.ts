// What the page of settings asks: who may come in and what he may do, and what devices have in common.
import type { DeviceGroup } from '../../../devices/device-group.ts'
import type { DeviceType } from '../../../devices/device-type.ts'
import { get, send } from '../api.ts'

export interface User {
  readonly name: string
  readonly role: string
  readonly disabled: boolean
  readonly createdAt: number
  readonly lastLoginAt: number | null
  readonly logins: number
  readonly secondFactor: boolean
}

export interface UserChange {
  readonly role?: string
  readonly disabled?: boolean
  readonly password?: string
  readonly secondFactor?: false
}

export async function loadUsers(signal: AbortSignal): Promise<readonly User[]> {
  return (await get<{ users: readonly User[] }>('/v1/users', signal)).users
}

export function makeUser(user: { name: string; role: string; password: string }): Promise<User> {
  return send('POST', '/v1/users', user)
}

export function changeUser(name: string, change: UserChange): Promise<User> {
  return send('PATCH', `/v1/users/${encodeURIComponent(name)}`, change)
}

export function removeUser(name: string): Promise<unknown> {
  return send('DELETE', `/v1/users/${encodeURIComponent(name)}`, {})
}

/** Of a program, or, pinned to a certificate, of a device. */
export interface Key {
  readonly id: string
  readonly of: { readonly is: 'device' | 'key'; readonly name: string }
  readonly kind: string
  readonly name: string
  readonly role: string
  readonly label: string
  readonly createdAt: number
  readonly until: number | null
  readonly disabled: boolean
  readonly lastUsedAt: number | null
}

export async function loadKeys(signal: AbortSignal): Promise<readonly Key[]> {
  return (await get<{ credentials: readonly Key[] }>('/v1/keys', signal)).credentials
}

/** Its secret is told this once. */
export function makeKey(name: string, key: { role: string; label: string; until?: number }): Promise<Key & { readonly secret: string }> {
  return send('POST', `/v1/keys/${encodeURIComponent(name)}`, key)
}

export function revokeKey(id: string): Promise<unknown> {
  return send('DELETE', `/v1/credentials/${encodeURIComponent(id)}`, {})
}

export interface ProvisioningKey {
  readonly id: string
  readonly label: string
  readonly pattern: string
  readonly registers: boolean
  readonly type: string | null
  readonly tags: Readonly<Record<string, string>>
  readonly role: string
  readonly usesLeft: number
  readonly until: number | null
}

export interface WantedProvisioningKey {
  readonly pattern: string
  readonly uses: number
  readonly role: string
  readonly type?: string
  readonly label: string
}

export async function loadProvisioning(signal: AbortSignal): Promise<readonly ProvisioningKey[]> {
  return (await get<{ keys: readonly ProvisioningKey[] }>('/v1/provisioning', signal)).keys
}

export function makeProvisioning(key: WantedProvisioningKey): Promise<ProvisioningKey & { readonly secret: string }> {
  return send('POST', '/v1/provisioning', key)
}

export function revokeProvisioning(id: string): Promise<unknown> {
  return send('DELETE', `/v1/provisioning/${encodeURIComponent(id)}`, {})
}

export interface Claim {
  /** The code that the device shows. */
  readonly claim: string
  readonly device: string
  readonly address: string
  readonly since: number
  readonly until: number
  readonly accepted: boolean
}

export async function loadClaims(signal: AbortSignal): Promise<readonly Claim[]> {
  return (await get<{ claims: readonly Claim[] }>('/v1/claims', signal)).claims
}

export function acceptClaim(claim: string): Promise<unknown> {
  return send('POST', '/v1/claims', { claim })
}

export function refuseClaim(claim: string): Promise<unknown> {
  return send('DELETE', `/v1/claims/${encodeURIComponent(claim)}`, {})
}

export interface Role {
  readonly name: string
  readonly rules: readonly { readonly effect: string; readonly actions: readonly string[]; readonly filter: string }[]
  readonly isBuiltIn: boolean
}

export async function loadRoles(signal: AbortSignal): Promise<readonly Role[]> {
  return (await get<{ roles: readonly Role[] }>('/v1/roles', signal)).roles
}

export async function loadTypes(signal: AbortSignal): Promise<readonly DeviceType[]> {
  return (await get<{ types: readonly DeviceType[] }>('/v1/types', signal)).types
}

export async function loadGroups(signal: AbortSignal): Promise<readonly DeviceGroup[]> {
  return (await get<{ groups: readonly DeviceGroup[] }>('/v1/groups', signal)).groups
}

/** What is written as one document each. */
export type DocumentKind = 'roles' | 'types' | 'groups'

export function putDocument(kind: DocumentKind, name: string, body: object): Promise<unknown> {
  return send('PUT', `/v1/${kind}/${encodeURIComponent(name)}`, body)
}

export function removeDocument(kind: DocumentKind, name: string): Promise<unknown> {
  return send('DELETE', `/v1/${kind}/${encodeURIComponent(name)}`, {})
}

export interface Authority {
  /** PEM */
  readonly certificate: string
  readonly subject: string
  readonly fingerprint: string
  readonly from: number
  readonly until: number
}

export type Certificate = Key & { readonly fingerprint: string }

/** The newest are not first: the list is as the hub has it. More are told of, not shown. */
const certificatesMax = 200

export function loadAuthority(signal: AbortSignal): Promise<Authority> {
  return get('/v1/ca', signal)
}

export function loadCertificates(signal: AbortSignal): Promise<{ certificates: readonly Certificate[]; next: string | null }> {
  return get(`/v1/ca/certificates?limit=${certificatesMax}`, signal)
}

/** Its private key is told this once. */
export function makeCertificate(device: string, days: number): Promise<Certificate & { certificate: string; key: string }> {
  return send('POST', '/v1/ca/certificates', { device, days })
}
