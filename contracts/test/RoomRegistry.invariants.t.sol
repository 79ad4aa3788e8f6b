// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Test, Vm} from "forge-std/Test.sol";
import {RoomRegistry} from "../src/RoomRegistry.sol";

/// Eight people do anything the registry offers to two rooms, in any order. Whether a call is refused
/// is up to the registry; the clerk only writes down the events.
contract Clerk is Test {
    RoomRegistry public immutable registry;
    address[] public people;
    bytes32[] public rooms;
    /// What somebody who reads nothing but events believes.
    mapping(bytes32 => mapping(address => uint8)) public believedRole;
    mapping(bytes32 => uint256) public believedCount;
    mapping(bytes32 => bool) public believedArchived;
    /// A room's believed count when its RoomArchived event came.
    mapping(bytes32 => uint256) public countAtArchive;
    uint256 public changes;

    constructor(RoomRegistry registry_) {
        registry = registry_;
        for (uint256 i = 0; i < 8; i++) {
            people.push(vm.addr(i + 1));
        }
        for (uint256 i = 0; i < 2; i++) {
            vm.recordLogs();
            vm.prank(people[i]);
            rooms.push(registry.createRoom(bytes32(i), new address[](0)));
            replay();
        }
    }

    function add(uint256 who, uint256 where, uint256 first, uint256 second) external {
        attempt(who, where, abi.encodeCall(registry.addMembers, (room(where), batch(first, second))));
    }

    function remove(uint256 who, uint256 where, uint256 first, uint256 second) external {
        attempt(who, where, abi.encodeCall(registry.removeMembers, (room(where), batch(first, second))));
    }

    function moderate(uint256 who, uint256 where, uint256 person, bool on) external {
        attempt(who, where, abi.encodeCall(registry.setModerator, (room(where), anyone(person), on)));
    }

    function leave(uint256 who, uint256 where) external {
        attempt(who, where, abi.encodeCall(registry.leave, (room(where))));
    }

    function offer(uint256 who, uint256 where, uint256 to) external {
        attempt(who, where, abi.encodeCall(registry.transferOwnership, (room(where), anyone(to))));
    }

    function accept(uint256 who, uint256 where) external {
        attempt(who, where, abi.encodeCall(registry.acceptOwnership, (room(where))));
    }

    /// Rarely, or every run would end early with two frozen rooms.
    function archive(uint256 who, uint256 where, uint256 chance) external {
        if (chance % 16 == 0) attempt(who, where, abi.encodeCall(registry.archive, (room(where))));
    }

    /// The room's owner in one call of three: with eight people, most others are refused.
    function attempt(uint256 who, uint256 where, bytes memory call) private {
        address caller = who % 3 == 0 ? registry.ownerOf(room(where)) : anyone(who / 3);
        vm.recordLogs();
        vm.prank(caller);
        (bool done,) = address(registry).call(call);
        // forge records the events of a reverted call, too; a chain drops them.
        if (done) replay();
    }

    function replay() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; i++) {
            bytes32 kind = logs[i].topics[0];
            bytes32 where = logs[i].topics[1];
            assertFalse(believedArchived[where], "no event after a room is archived");
            changes++;
            if (kind == RoomRegistry.RoomArchived.selector) {
                believedArchived[where] = true;
                countAtArchive[where] = believedCount[where];
                continue;
            }
            address person = address(uint160(uint256(logs[i].topics[2])));
            if (kind == RoomRegistry.MemberAdded.selector) {
                assertEq(believedRole[where][person], 0, "only who is out is added");
                believedRole[where][person] = 1;
                believedCount[where]++;
            } else if (kind == RoomRegistry.MemberRemoved.selector) {
                assertNotEq(believedRole[where][person], 0, "only who is in is removed");
                believedRole[where][person] = 0;
                believedCount[where]--;
            } else if (kind == RoomRegistry.RoleChanged.selector) {
                assertNotEq(believedRole[where][person], 0, "only members have roles");
                believedRole[where][person] = abi.decode(logs[i].data, (uint8));
            }
        }
    }

    function room(uint256 where) private view returns (bytes32) {
        return rooms[where % rooms.length];
    }

    function anyone(uint256 who) private view returns (address) {
        return people[who % people.length];
    }

    function batch(uint256 first, uint256 second) private view returns (address[] memory out) {
        out = new address[](3);
        (out[0], out[1], out[2]) = (anyone(first), anyone(second), anyone(first));
    }
}

contract RoomRegistryInvariants is Test {
    RoomRegistry registry;
    Clerk clerk;

    function setUp() public {
        registry = new RoomRegistry();
        clerk = new Clerk(registry);
        bytes4[] memory calls = new bytes4[](7);
        calls[0] = Clerk.add.selector;
        calls[1] = Clerk.remove.selector;
        calls[2] = Clerk.moderate.selector;
        calls[3] = Clerk.leave.selector;
        calls[4] = Clerk.offer.selector;
        calls[5] = Clerk.accept.selector;
        calls[6] = Clerk.archive.selector;
        targetContract(address(clerk));
        targetSelector(FuzzSelector({addr: address(clerk), selectors: calls}));
    }

    function invariant_replayedEventsGiveTheStateOnChain() public view {
        for (uint256 r = 0; r < 2; r++) {
            bytes32 room = clerk.rooms(r);
            for (uint256 p = 0; p < 8; p++) {
                address person = clerk.people(p);
                uint8 believed = clerk.believedRole(room, person);
                assertEq(uint8(registry.roleOf(room, person)), believed);
                assertEq(registry.isAllowed(room, person), believed != 0);
            }
            assertEq(registry.memberCount(room), clerk.believedCount(room));
            assertEq(registry.isArchived(room), clerk.believedArchived(room));
        }
    }

    function invariant_theListHoldsEachMemberOnce() public view {
        for (uint256 r = 0; r < 2; r++) {
            bytes32 room = clerk.rooms(r);
            address[] memory list = registry.members(room, 0, type(uint256).max);
            assertEq(list.length, registry.memberCount(room));
            for (uint256 i = 0; i < list.length; i++) {
                assertTrue(registry.isAllowed(room, list[i]));
                for (uint256 j = 0; j < i; j++) {
                    assertNotEq(list[i], list[j]);
                }
            }
        }
    }

    function invariant_exactlyOneOwnerWhoIsAllowed() public view {
        for (uint256 r = 0; r < 2; r++) {
            bytes32 room = clerk.rooms(r);
            assertTrue(registry.isAllowed(room, registry.ownerOf(room)));
            address[] memory list = registry.members(room, 0, type(uint256).max);
            uint256 owners;
            for (uint256 i = 0; i < list.length; i++) {
                if (registry.roleOf(room, list[i]) == RoomRegistry.Role.Owner) {
                    assertEq(list[i], registry.ownerOf(room));
                    owners++;
                }
            }
            assertEq(owners, 1);
        }
    }

    function invariant_anArchivedRoomKeepsItsPeople() public view {
        for (uint256 r = 0; r < 2; r++) {
            bytes32 room = clerk.rooms(r);
            if (registry.isArchived(room)) assertEq(registry.memberCount(room), clerk.countAtArchive(room));
        }
    }

    /// The walk proves nothing if its calls are all refused: each kind of call gets through here.
    function test_theWalkChangesRooms() public {
        uint256 before = clerk.changes();
        clerk.add(0, 0, 3, 4);
        clerk.moderate(0, 0, 3, true);
        clerk.remove(0, 0, 4, 4);
        clerk.offer(0, 0, 3);
        clerk.accept(3 * 3 + 1, 0);
        assertEq(registry.ownerOf(clerk.rooms(0)), clerk.people(3));
        clerk.leave(1, 0);
        clerk.archive(0, 0, 0);
        // Two added, a role, a removal, an offer, two roles, a leave, the archive.
        assertEq(clerk.changes() - before, 9);
    }
}
