// Every part of the hub, built and joined on one page. What is built here is all there is.
//
//   sockets → listen ┬ mqtt ┐
//                    ├ json │
//                    ├ api  ├→ session → routing → store ⇒ writer thread: journal, commit, series
//                    ├ live ┤                          ⇒ reader thread: history
//                    └ extend: code of others ⇒ threads of theirs
//                      sys: counters and gauges, said below $SYS
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Access, type AccessParts, type Revise } from './access/access.ts'
import { Bans } from './access/bans.ts'
import { Clones } from './access/clones.ts'
import { algorithmsKnown } from './access/jwt.ts'
import { addressIn } from './access/peer.ts'
import { Downloads } from './api/download.ts'
import type { Listeners } from './api/parts.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Settings } from './config.ts'
import { Refusal } from './errors.ts'
import type { Extension } from './extend/extension.ts'
import type { Extensions } from './extend/extensions.ts'
import { JsonEngine } from './json/engine.ts'
import { Uplinks } from './json/uplinks.ts'
import { onFrame } from './json/upward.ts'
import { Admission } from './listen/admission.ts'
import type { Authority } from './listen/authority.ts'
import { Certificates } from './listen/certificates.ts'
import type { HttpParts } from './listen/http.ts'
import { Ports } from './listen/ports.ts'
import { Requests } from './listen/requests.ts'
import { mqttTaker } from './listen/tcp.ts'
import { Upgrades } from './listen/upgrade.ts'
import { EventStreams } from './live/events.ts'
import { Feed } from './live/feed.ts'
import { FiguresEverySecond } from './live/figures.ts'
import { Metrics } from './metrics.ts'
import type { AuthenticationMethod } from './mqtt/auth.ts'
import { Engine } from './mqtt/engine.ts'
import { readVerifiers, ScramSha256 } from './mqtt/scram.ts'
import { reconnectAfterMs, reconnectAfterSeconds } from './reconnect.ts'
import type { Commands } from './routing/commands/commands.ts'
import { registerDevice } from './routing/description.ts'
import { Dialects } from './routing/dialects.ts'
import { Retained } from './routing/retained.ts'
import { Fleet } from './session/fleet.ts'
import { Sessions } from './session/sessions.ts'
import { openSqliteStore } from './store/sqlite/open.ts'
import type { Store } from './store/store.ts'
import { SysTree } from './sys/sys-tree.ts'
import { version } from './version.ts'
import { Wheel } from './wheel.ts'

export interface HubOptions {
  readonly settings: Settings
  readonly log: Logger
  readonly clock?: Clock
  /** Set up before anybody can come, in this order. */
  readonly extensions?: readonly Extension[]
  /** The disk failed for good: nothing more can be stored, so the process should end. */
  onFatal(error: Error): void
}

export interface Hub {
  readonly listeners: Listeners
  readonly store: Store
  readonly commands: Commands
  /** Of the set-up link that was made because the hub needs an admin and has none. */
  readonly setUpToken: string | undefined
  readonly extensions: Pick<Extensions, 'use' | 'remove' | 'all'>
  /** Says goodbye to everyone, stores what is open, closes the files. */
  stop(): Promise<void>
}

/** How exact the store is about when the hub died: what was connected then is away since. */
const signOfLifeMs = 10_000

/** How long peers may take to read their goodbye at the stop. */
const farewellMs = 3000

/** Opens the store, builds the parts, listens. Throws with a sentence when the store, a port or the users cannot be had. */
export async function startHub({ settings, log, clock = systemClock, extensions: added = [], onFatal }: HubOptions): Promise<Hub> {
  const startedAt = clock.now()
  const methods = methodsOf(settings) // before anything is opened: a file that cannot be read ends the start
  // The store's threads start while the loop loads the HTTP server, the largest of its libraries: a third less time until ready.
  const [store, { createHttpServers }, { ExtensionRoutes }, { Extensions }] = await Promise.all([
    openSqliteStore({
      folder: settings.data,
      durability: settings.durability,
      clock,
      keep: settings.keep,
      diskBudgetBytes: settings.diskBudgetBytes,
      journal: { bytes: settings.journalBytes, ageMs: settings.journalAgeMs },
    }),
    import('./listen/http.ts'),
    import('./listen/extension-routes.ts'),
    import('./extend/extensions.ts'),
  ])
  store.onFatal(onFatal)

  const metrics = new Metrics()
  const wheel = new Wheel(clock)
  const bans: Bans = new Bans({
    clock,
    wheel,
    isProxy: (address) => admission.peers.trusts(address),
    audit: (action, target, by, detail) => void access.audit(action, target, by, detail).catch(onAccessFailure),
  })
  const admission = new Admission(settings, clock, bans)
  const retained = new Retained()
  for (const message of store.retainedAtStart) retained.set(message)

  const feed = new Feed(store, clock, metrics)
  const fleet: Fleet = new Fleet({
    ...{ store, retained, clock, wheel, metrics, dialects: new Dialects(settings.dialects, clock.now()) },
    onChild: (child, gateway) => access.onChild(child, gateway),
    onPresence(id, presence, createdAtMs) {
      feed.onPresence(id, presence, createdAtMs)
      extensions.hooks.onPresence(id, presence)
    },
    onCommand(command) {
      feed.onCommand(command)
      if (command.isOver) extensions.hooks.onCommandDone(command)
    },
  })
  const { router, devices, gateways, speakers, presences, commands, bulks } = fleet
  const reviseConnected: Revise = (revised) => {
    for (const held of [engine, json, uplinks, eventStreams, upgrades, requests]) held.reviseAll(revised)
  }
  // Everyone who is connected, and sessions whose client is away.
  const revise: Revise = (revised) => {
    reviseConnected(revised)
    sessions.reviseAway(revised)
    router.tree.askAnew() // who is a gateway, and of whom, may be another
  }
  let certificates: Certificates | undefined
  const onAccessFailure = (error: unknown) => log.error({ err: error }, 'what is known of credentials could not be written')
  const access: Access = await Access.open({
    store: store.access,
    clock,
    wheel,
    certificateNaming: settings.tlsNames,
    ownIssuer: () => certificates?.authority?.issuerName,
    hasDevice: (id) => devices.has(id),
    typeOf: (id) => devices.typeOf(id),
    gateways: () => gateways,
    register: async (id, said) => {
      const device = await registerDevice(id, said, devices, store)
      if (device !== undefined) access.onDescribed(device)
    },
    takesClaims: settings.allowClaims,
    ...foreignersOf(settings),
    rates: {
      messagesPerSecond: settings.identityRate,
      bytesPerSecond: settings.identityBytes,
      savedMs: settings.identitySavedMs,
    },
    connectionsPerMinute: settings.deviceConnections,
    tagsOf: async (id) => (await store.device(id))?.tags ?? {},
    assertAnonymous: (peer) => admission.assertAnonymous(peer),
    bans,
    revise,
    reviseConnected,
    needsAdmin: admission.needsAdmin,
    hasOtherUsers: settings.scramFile !== '',
    onFailure: onAccessFailure,
    onUnreadable: (sentence) => log.error(sentence),
  }).catch(async (error: unknown) => {
    wheel.stop()
    await store.close() // or its threads would keep a process that has failed to start
    throw error
  })
  const clones = new Clones(clock, ({ clientId, owner, addresses: [one, other] }) => {
    log.warn(
      { client: clientId, owner, addresses: [one, other] },
      'two addresses take a session from each other: is there a copy of this device?',
    )
    const detail = `its session is taken in turn from ${one} and ${other}`
    access.audit('client.clone', `client/${clientId}`, { who: owner, from: other }, detail).catch(onAccessFailure)
  })
  const sessions: Sessions = new Sessions(store, router, wheel, clock, metrics, {
    principalOf: (owner, clientId) => access.principalOf(owner, clientId),
    maySurvive(clientId, owner) {
      const survives = owner !== '' || settings.allowAnonymous !== 'nobody'
      if (!survives)
        log.warn({ client: clientId }, 'the session of a client without credentials ends: --allow-anonymous lets nobody in without')
      return survives
    },
    onTakenOver: ({ clientId, principal }, from, to) =>
      clones.takenOver(clientId, principal.owner, addressIn(from.address), addressIn(to.address)),
    onOnline: (session) => fleet.onOnline(session),
    onAway: (session, why) => fleet.onAway(session, why),
    onExpired: (session) => fleet.onExpired(session),
    onEnded: (session) => fleet.onEnded(session),
    onAcknowledged(session, seq) {
      fleet.onAcknowledged(session, seq)
      extensions.conversations.onAcknowledged(session, seq)
    },
    onSubscribed(session, filter, isNew) {
      fleet.onSubscribed(session, filter, isNew)
      extensions.conversations.onSubscribed(session, filter)
    },
  })
  const authenticate: HttpParts['authenticate'] = (presented, orNobody) => access.authenticate(presented, orNobody)
  const extensionRoutes = new ExtensionRoutes({ wheel, metrics, authenticate })
  const extensions: Extensions = new Extensions({
    ...{ router, journal: store.journal, sessions, speakers, clock, wheel, metrics, log },
    isOnRecord: (id) => devices.has(id),
    typeOf: (id) => devices.typeOf(id),
    mount: (extension, routes) => extensionRoutes.mount(extension, routes),
  })
  await fleet.restore(sessions)
  const stopSigns = clock.every(signOfLifeMs, () => {
    if (sessions.online > 0) store.signOfLife(clock.now())
  })
  const engine = new Engine({
    router,
    sessions,
    journal: store.journal,
    wheel,
    clock,
    metrics,
    log,
    keepAliveMaxSeconds: settings.keepAliveMaxSeconds,
    methods,
    authenticate: (presented) => access.authenticate(presented),
    principalOfUser: (username, clientId, address) => access.principalOfUser(username, clientId, address),
    newcomers: {
      assertMayCome(key, device, address) {
        bans.assertFree(address)
        access.provisioning.assertMayClaim(key, device, address)
      },
      claim: (key, device, address) => access.provisioning.claim(key, device, address),
    },
    onRefused: (failure) => access.onRefused(failure),
  })
  const json = new JsonEngine({
    router,
    sessions,
    store,
    wheel,
    clock,
    metrics,
    log,
    authenticate: (presented) => access.authenticate(presented),
  })
  const connections = () => engine.connections.size + json.connections.size + uplinks.size
  let isStopping = false
  const assertRoom = () => {
    if (isStopping) throw goodbye() // who is connected already may ask for more
    admission.assertRoom(connections())
  }
  const figures = new FiguresEverySecond(
    {
      ...{ store, router, devices, sessions, metrics, clock, connections },
      connected: () => presences.online,
      commandsWaiting: () => commands.count,
    },
    (now) => feed.onFigures(now),
  )
  const { sysIntervalSeconds } = settings
  const sys = sysIntervalSeconds === 0 ? undefined : new SysTree({ metrics, router, sessions, clock }, sysIntervalSeconds)

  let listeners: Listeners = { mqtt: null, http: { address: settings.listen, port: 0 }, mqtts: null, https: null, all: null }
  const api = {
    store,
    access,
    commands,
    bulks,
    clones,
    dataFolder: settings.data,
    router,
    devices,
    sessions,
    speakers,
    presences,
    metrics,
    clock,
    version,
    startedAt,
    downloads: new Downloads(),
    extensions,
    authority: () => authorityOf(certificates),
    figures: () => figures.now(),
    listeners: () => listeners,
  }
  const uplinks = new Uplinks({
    router,
    journal: store.journal,
    wheel,
    metrics,
    log,
    framesOf: (client) => (frame, answer) => onFrame(json, client, frame, answer),
  })
  const eventStreams = new EventStreams()
  const requests = new Requests()
  const dashboardFolder = join(import.meta.dirname, '..', 'dashboard', 'dist')
  const { http1, http2, ...http } = await createHttpServers({
    api,
    feed,
    eventStreams,
    requests,
    uplinks,
    down: { engine: json, assertRoom, letGo: (reply) => requests.letGo(reply) },
    extensionRoutes,
    admission,
    authenticate,
    wheel,
    log,
    dashboardFolder,
  })
  const welcome = () => ({ hub: { version, durability: store.durability, startedAt }, now: clock.now() })
  const upgrades = new Upgrades(http1, http2, { engine, json, feed, admission, assertRoom, welcome })
  const ports = new Ports({
    ...{ settings, log, wheel, peers: admission.peers, mqtt: mqttTaker(engine, admission, assertRoom), http1, http2 },
    isShutOut: (socket) => admission.isShutOut(socket),
    onCertificateRefused: (socket, proof) => {
      access.onRefused({ who: '', from: addressIn(admission.peers.nameOf(socket)), code: 'bad-credentials', proof })
    },
  })
  const tlsMaterial = async () => {
    certificates = await openCertificates(settings, log, clock)
    certificates.onChange((material) => ports.show(material))
    return certificates.material
  }

  // Nobody comes any more; everyone is told why, in the words of its protocol, and when to come again; what was taken is stored.
  const stop = async () => {
    isStopping = true
    const extensionsStopped = extensions.stop() // they have nothing to say to a goodbye
    figures.stop()
    sys?.stop()
    ports.close()
    certificates?.close()
    uplinks.closeAll(goodbye(), reconnectAfterSeconds)
    for (const closing of [engine, json, upgrades]) closing.closeAll(goodbye)
    eventStreams.closeAll(goodbye(), reconnectAfterMs)
    await emptied(() => connections() + upgrades.viewers + eventStreams.size === 0, farewellMs)
    const httpClosed = http.close() // not before: it cuts all connections
    for (const left of [engine, json, uplinks, upgrades, eventStreams, http, ports]) left.destroyAll()
    await httpClosed
    await extensionsStopped
    wheel.stop()
    stopSigns()
    await access.stop()
    presences.flush()
    await store.close()
  }

  try {
    for (const extension of added) await extensions.use(extension)
    listeners = await ports.open(tlsMaterial)
    const { setUp, users } = access.operators
    const link = admission.needsAdmin && !users.hasAdmin ? await setUp.make(true, { who: 'hub', from: '' }) : undefined
    return { listeners, store, commands, setUpToken: link?.token, extensions, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function methodsOf({ scramFile }: Settings): ReadonlyMap<string, AuthenticationMethod> {
  if (scramFile === '') return new Map()
  let text: string
  try {
    text = readFileSync(scramFile, 'utf8')
  } catch (error) {
    throw new Error(`The users in ${scramFile} (--scram-file) cannot be read: ${(error as Error).message}.`, { cause: error })
  }
  const scram = new ScramSha256(readVerifiers(text, scramFile))
  return new Map([[scram.name, scram]])
}

function foreignersOf(settings: Settings): Pick<AccessParts, 'jwt' | 'callback'> {
  const { jwtKeys, jwtIssuer, jwtAudience, jwtFor, jwtClaim, jwtRole, jwtRoleClaim, jwtRoles } = settings
  const { authUrl, authSecret, authRole, authRoles } = settings
  return {
    jwt:
      jwtKeys === ''
        ? undefined
        : {
            keysUrl: jwtKeys,
            issuer: jwtIssuer,
            audience: jwtAudience,
            algorithms: algorithmsKnown,
            of: jwtFor,
            nameClaim: jwtClaim,
            role: jwtRole,
            roleClaim: jwtRoleClaim === '' ? undefined : jwtRoleClaim,
            rolesAllowed: jwtRoles,
          },
    callback:
      authUrl === ''
        ? undefined
        : { url: authUrl, authorization: authSecret === '' ? undefined : authSecret, role: authRole, rolesAllowed: authRoles },
  }
}

function openCertificates({ tlsCert, tlsKey, tlsCa, tlsCrl, data, listen }: Settings, log: Logger, clock: Clock): Promise<Certificates> {
  const names = listen === '0.0.0.0' || listen === '::' ? [] : [listen]
  return Certificates.open({ cert: tlsCert, key: tlsKey, ca: tlsCa, crl: tlsCrl, folder: data, names }, log, clock)
}

/** Errors: `ca-unavailable`. */
function authorityOf(certificates: Certificates | undefined): Authority {
  const detail =
    certificates === undefined
      ? 'it serves no TLS (--mqtts-port, --https-port, --port)'
      : 'it uses the certificate it was given (--tls-cert), and devices trust who issued that one'
  if (certificates?.authority === undefined) throw new Refusal('ca-unavailable', { detail })
  return certificates.authority
}

/** Each peer is told another time. */
function goodbye(): Refusal {
  return new Refusal('shutting-down', { seconds: reconnectAfterSeconds() })
}

/** Resolves when `isEmpty` holds, or after `withinMs`. */
async function emptied(isEmpty: () => boolean, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!isEmpty() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
}
