// Read by test/support/gateway.ts, which the file loads.
process.env['RETRYSAFE_TEST_STORE'] = 'memory'

await import('./gateway-sdk-retries.test.ts')
