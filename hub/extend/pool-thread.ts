// A thread of the pool: calls what it is told to call.

interface Work {
  readonly module: string
  readonly name: string
  readonly args: readonly unknown[]
}

export async function work({ module, name, args }: Work): Promise<unknown> {
  const exported = (await import(module)) as Readonly<Record<string, unknown>>
  const called = exported[name]
  if (typeof called !== 'function') throw new Error(`${module} exports no function ${name}.`)
  return (called as (...args: readonly unknown[]) => unknown)(...args)
}
