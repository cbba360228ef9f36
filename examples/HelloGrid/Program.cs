using System.Text;
using Grid.Client;
using Grid.Protocol;

await using var grid = await GridClient.ConnectAsync("grid://127.0.0.1:7070");

// A shared pool can be created again by anybody who wants the same: that joins it.
var pool = await grid.CreatePoolAsync("hello", new PoolOptions { Kind = PoolKind.Persistent, Sharing = PoolSharing.Shared });

var book = ObjectId.FromUInt64(1);
var page = new byte[pool.PageSizeBytes];
Encoding.UTF8.GetBytes("Hello, Grid", page);
var put = await pool.PutAsync(book, 0, page);
Console.WriteLine(put.Stored ? "stored, and durable" : $"refused: {put.Reason}");

var read = new byte[pool.PageSizeBytes];
var get = await pool.GetAsync(book, 0, read);
Console.WriteLine(get.Hit ? Encoding.UTF8.GetString(read).TrimEnd('\0') : "no such page");

// Many pages of one object at one instant: all or nothing, and only if nobody changed them since they were read.
var changes = new WriteBatch().Put(1, page).Flush(0);
var batch = await pool.WriteBatchAsync(book, changes, onlyIf: get.Version);
Console.WriteLine(batch.Outcome);
