export default async () => {
  await globalThis.stopPostgres?.();
  globalThis.removePrograms?.();
};
