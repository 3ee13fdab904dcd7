// esbuild takes style sheets into the bundle; for tsc they are files without a meaning.
declare module '*.css'
